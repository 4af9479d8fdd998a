/* Values in PostgreSQL's binary formats: of parameters, of COPY, and of results. */
#ifndef KN_STORAGE_DB_POSTGRES_VALUE_H
#define KN_STORAGE_DB_POSTGRES_VALUE_H

#include "services/common/text/buf.h"
#include "services/storage/db/db.h"

#include <libpq-fe.h>

/* The type of a value of a statement: i, f, t or b, see sql.h. */
Oid pg_oid_of(char type, bool array);
/* The bytes of a value; nothing for NULL. */
void pg_put_value(struct kn_buf *out, const struct db_value *value);
/* One column of count rows, as an array; first: its value in the first row. */
void pg_put_array(struct kn_buf *out, char type, const struct db_value *first, size_t width,
                  size_t count);
/* All rows, in COPY's format. */
void pg_put_copy(struct kn_buf *out, const struct db_value *values, size_t width, size_t count);
/* Call once per value: text is unescaped in place. */
struct db_value pg_get_value(const PGresult *result, int row, int column);

#endif
