/* Loopback addresses. */
#ifndef KN_COMMON_TEXT_LOOPBACK_H
#define KN_COMMON_TEXT_LOOPBACK_H

#include "services/common/text/str.h"

/* Returns true if a host is loopback without a DNS lookup: "localhost", an address of
 * 127.0.0.0/8 as four numbers, or "::1", with or without brackets. A name such as
 * 127.0.0.1.example.org is not. */
bool kn_host_is_loopback(struct kn_str host);
/* The same for "host:port" and "[host]:port". */
bool kn_address_is_loopback(struct kn_str address);

#endif
