/* Parses external JSON into a jansson tree. */
#ifndef KN_COMMON_TEXT_JSON_H
#define KN_COMMON_TEXT_JSON_H

#include "services/common/text/str.h"

#include <jansson.h>

/* Maximum nesting. jansson recurses for each level when it reads, writes and frees, up
 * to 2,048 times, which may overflow a thread's stack. */
enum { KN_JSON_DEPTH_MAX = 256 };

/* As json_loadb with these flags, but NULL also for an absent text and for one that is
 * nested deeper than KN_JSON_DEPTH_MAX. To be freed with json_decref. Outside of tests,
 * nothing else of jansson's that reads is used. */
json_t *kn_json_load(struct kn_str text, size_t flags);

#endif
