/* Arguments, results and errors of made-up tasks, as Celery's events show them:
 * Python reprs, of which Celery cuts args, kwargs and result at 1,024 characters.
 * All are written as they stand in JSON, without the quotes around.
 *
 * Bytes of            small       mixed                                    big
 * args                20 to 60    60 %: 20 to 100, 30 %: 100 to 400,       1,024, cut
 *                                 9 %: 400 to 900, 1 %: 1,024, cut
 * kwargs              2 or        half: 2; half: as args, but a third      1,024, cut
 *                     20 to 40    of the size
 * result              4 to 40     70 %: 4 to 60, 25 %: 60 to 300,          1,024, cut
 *                                 4 %: 300 to 900, 1 %: 1,024, cut
 * traceback           600         600 to 3,000                             4,000 to 16,000
 * The exception has 40 to 120 bytes. */
#ifndef KN_BENCH_PAYLOAD_H
#define KN_BENCH_PAYLOAD_H

#include "services/common/text/buf.h"
#include "tests/bench/dice.h"
#include "tests/bench/options.h"

/* Makes the text that payloads are cut from. Once, before the others. */
void payload_setup(uint64_t seed);

/* number: the task's, which is its first argument. */
void payload_args(struct kn_buf *out, struct dice *dice, enum load_payload kind, uint64_t number);
void payload_kwargs(struct kn_buf *out, struct dice *dice, enum load_payload kind);
void payload_result(struct kn_buf *out, struct dice *dice, enum load_payload kind);
/* The values of "exception" and "traceback" with everything between. */
void payload_error(struct kn_buf *out, struct dice *dice, enum load_payload kind);

/* Decimal digits. */
void payload_number(struct kn_buf *out, uint64_t value);

#endif
