/* One command to workers, and what they answer. */
#ifndef CONTROL_ASK_COMMAND_H
#define CONTROL_ASK_COMMAND_H

#include "services/control/call/call.h"

/* Whom a command is for: those that are named, else those online that fit the pattern, all
 * without one; sorted. NOT_FOUND when none fits. */
enum kn_status control_command_asked(struct control_call *call,
                                     const struct kn_msg_command *command,
                                     struct kn_strs *ret) KN_MUST_CHECK;
/* Sends a command to workers, once, and gathers what they answer until all have, or the
 * time is over; the arguments are not looked at. Without workers and pattern it goes to
 * all that listen, known or not. Only when nothing could be sent, or it is not known
 * whether it was (UNCERTAIN; IO if it is a question), it fails; a connection that is lost later
 * makes workers missing. What it lists lies in the arena. */
enum kn_status control_command(struct control_call *call, const struct kn_msg_command *command,
                               struct kn_msg_command_done *ret) KN_MUST_CHECK;

#endif
