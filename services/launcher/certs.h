/* `kanchi certs DIR [NAME]...`: what tls+tcp:// of the bus needs.
 *
 *   DIR/ca.pem, ca.key     an authority of our own
 *   DIR/bus.pem, bus.key   one certificate for all services, with every NAME: the hosts
 *                          in the addresses of the bus
 *
 * Run again, it changes nothing; or makes only a new certificate, when a name is missing
 * or a year before its end: what runs with the old one still trusts the new one. */
#ifndef KN_LAUNCHER_CERTS_H
#define KN_LAUNCHER_CERTS_H

/* argv as of main, without the command's word. Returns the exit code. */
int launcher_certs(int argc, char **argv);

#endif
