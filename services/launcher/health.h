/* `kanchi health`: a health check command, for Docker and similar supervisors. */
#ifndef KN_LAUNCHER_HEALTH_H
#define KN_LAUNCHER_HEALTH_H

/* argv as of main, without the command's word. Asks /readyz at health.listen, or at
 * gateway.listen when there is none. Returns 0 when it is ready, else says why not. */
int launcher_health(int argc, char **argv);

#endif
