/* `kanchi up`: every service on this machine. */
#ifndef KN_LAUNCHER_UP_H
#define KN_LAUNCHER_UP_H

/* argv as of main, without the command's word. Returns the exit code. */
int launcher_up(int argc, char **argv);

#endif
