/* The name and error of a failure, where Celery puts them into the wrong field. */
#include "services/celery/event/event_fields.h"

/* celery/worker/consumer/consumer.py, on_unknown_task: the only place of the name. */
static struct kn_str unregistered_name(struct kn_str exception)
{
    static const struct kn_str head = KN_STR("NotRegistered(");
    if (!kn_str_starts(exception, head) || exception.len < head.len + 4)
        return KN_STR_ABSENT;
    struct kn_str name = {exception.ptr + head.len + 1, exception.len - head.len - 3};
    char quote = name.ptr[-1];
    if ((quote != '\'' && quote != '"') || name.ptr[name.len] != quote ||
        name.ptr[name.len + 1] != ')' || memchr(name.ptr, '\\', name.len))
        return KN_STR_ABSENT;
    return name;
}

static struct kn_str last_line(struct kn_str *text)
{
    while (text->len && text->ptr[text->len - 1] == '\n')
        text->len--;
    const char *newline = text->len ? memrchr(text->ptr, '\n', text->len) : NULL;
    size_t start = newline ? (size_t)(newline - text->ptr) + 1 : 0;
    struct kn_str line = {text->ptr + start, text->len - start};
    text->len = start;
    return line;
}

/* The line behind the last frame; the exception's text may have more lines. */
static struct kn_str exception_line(struct kn_str traceback)
{
    struct kn_str found = KN_STR_ABSENT;
    while (traceback.len) {
        struct kn_str line = last_line(&traceback);
        if (kn_str_starts(line, KN_STR("  ")))
            return found;
        found = line;
    }
    return KN_STR_ABSENT;
}

/* "billiard.exceptions.TimeLimitExceeded: (5,)" as "TimeLimitExceeded('(5,)')": what repr
 * says of other failures begins alike. */
static void write_repr(struct kn_str line, struct kn_buf *out)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    struct kn_str name = {line.ptr, colon ? (size_t)(colon - line.ptr) : line.len};
    struct kn_str text = {line.ptr + name.len, line.len - name.len};
    const char *dot = memrchr(name.ptr, '.', name.len);
    if (dot) {
        name.len -= (size_t)(dot + 1 - name.ptr);
        name.ptr = dot + 1;
    }
    while (text.len && (*text.ptr == ':' || *text.ptr == ' ')) {
        text.ptr++;
        text.len--;
    }
    kn_buf_str(out, name);
    kn_buf_char(out, '(');
    if (text.len) {
        char quote = memchr(text.ptr, '\'', text.len) ? '"' : '\'';
        kn_buf_char(out, quote);
        for (size_t i = 0; i < text.len; i++) {
            if (text.ptr[i] == quote || text.ptr[i] == '\\')
                kn_buf_char(out, '\\');
            kn_buf_char(out, text.ptr[i]);
        }
        kn_buf_char(out, quote);
    }
    kn_buf_char(out, ')');
}

enum kn_status celery_event_failure(struct celery_decoder *d, struct kn_msg_event *e)
{
    if (!e->name.ptr)
        e->name = unregistered_name(e->exception);
    /* billiard's wrapper of a child process's exception: its repr is useless */
    if (!kn_str_eq(e->exception, KN_STR("ExceptionWithTraceback()")) || !e->traceback.len)
        return KN_OK;
    struct kn_str line = exception_line(e->traceback);
    if (!line.len)
        return KN_OK;
    size_t start = d->scratch.len;
    write_repr(line, &d->scratch);
    struct kn_str text = celery_scratch_str(d, start);
    d->scratch.len = start;
    if (!text.ptr || kn_buf_status(&d->scratch) != KN_OK)
        return KN_NOMEM;
    e->exception = text;
    return KN_OK;
}
