/* `kanchi certs DIR [NAME]...`: creates the certificates for tls+tcp:// on the bus.
 *
 *   DIR/ca.pem, ca.key     a certificate authority
 *   DIR/bus.pem, bus.key   one certificate for all services, with every NAME: the hosts
 *                          in the addresses of the bus
 *
 * Running it again changes nothing, unless a name is missing or the certificate expires within a
 * year: then it creates only a new certificate, which running services with the old one trust. */
#ifndef KN_LAUNCHER_CERTS_H
#define KN_LAUNCHER_CERTS_H

/* argv as of main, without the command's word. Returns the exit code. */
int launcher_certs(int argc, char **argv);

#endif
