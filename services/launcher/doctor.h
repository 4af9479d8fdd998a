/* `kanchi doctor`: examines the brokers and reports what Kanchi sees, what is
 * missing, and how to fix it. Changes nothing. */
#ifndef KN_LAUNCHER_DOCTOR_H
#define KN_LAUNCHER_DOCTOR_H

/* argv as of main, without the command's word. The exit code: 0 when every
 * broker could be reached and has workers, 1 otherwise. */
int launcher_doctor(int argc, char **argv);

#endif
