/* Loopback addresses. */
#ifndef KN_COMMON_TEXT_LOOPBACK_H
#define KN_COMMON_TEXT_LOOPBACK_H

#include "services/common/text/str.h"

/* Whether a host is loopback whatever a name server says: "localhost", an address of
 * 127.0.0.0/8 as four numbers, or "::1", in brackets or not. A name that only begins
 * like one, such as 127.0.0.1.example.org, is not. */
bool kn_host_is_loopback(struct kn_str host);
/* The same of "host:port" and "[host]:port". */
bool kn_address_is_loopback(struct kn_str address);

#endif
