/* One command to workers, and their replies. */
#ifndef CONTROL_ASK_COMMAND_H
#define CONTROL_ASK_COMMAND_H

#include "services/control/call/call.h"

/* The workers a command addresses, sorted: those named, else those online that match the pattern,
 * or all without a pattern. NOT_FOUND when none matches. */
enum kn_status control_command_asked(struct control_call *call,
                                     const struct kn_msg_command *command,
                                     struct kn_strs *ret) KN_MUST_CHECK;
/* Sends a command to workers, once, and collects replies until all have replied or the time is
 * over. Does not check the arguments. Without workers and pattern the command goes to all workers
 * that listen, known or not. Fails only when nothing could be sent, or when it is unknown whether
 * it was (UNCERTAIN; IO for a query). If the connection is lost later, the remaining workers are
 * missing. Lists are in the arena. */
enum kn_status control_command(struct control_call *call, const struct kn_msg_command *command,
                               struct kn_msg_command_done *ret) KN_MUST_CHECK;

#endif
