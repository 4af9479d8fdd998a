/* What celery.utils.saferepr leaves of a value that is too long or too deep.
 * From its source (_saferepr, _format_chars, _format_binary_bytes, reprstream;
 * the same in Celery 4.4.7, 5.2.7 and 5.6.3):
 *
 * 1. At the length, inside a container: ", ..." and then only the closing
 *    brackets that are still open (one of them may be missing, when it was its
 *    turn at the cut). So the text ends in "..." and brackets.
 * 2. At the length, a text: '<head>...' and b'<head>...'. Anything else:
 *    <head>... without quotes.
 * 3. At three levels: an opening bracket, "...", a closing one, anywhere.
 *
 * 1 and 2 are found at the end of the text, whatever stands before. 3 needs to
 * know what is quoted, which saferepr leaves open when a text ends in a
 * backslash; then every form of 3 and 2 counts, quoted or not. */
#include "services/celery/python/pyliteral.h"

static bool is_closer(char c)
{
    return c == ')' || c == ']' || c == '}' || c == ',' || c == ' ';
}

static bool dots_before(struct kn_str text, size_t end)
{
    return end >= 3 && memcmp(text.ptr + end - 3, "...", 3) == 0;
}

static bool ends_cut(struct kn_str text)
{
    size_t end = text.len;
    while (end > 0 && is_closer(text.ptr[end - 1]))
        end--;
    if (dots_before(text, end))
        return true;
    end = text.len;
    return end > 0 && (text.ptr[end - 1] == '\'' || text.ptr[end - 1] == '"') &&
           dots_before(text, end - 1);
}

/* Without knowing what is quoted. */
static bool anything_looks_cut(struct kn_str text)
{
    for (size_t i = 0; i + 3 <= text.len; i++) {
        if (memcmp(text.ptr + i, "...", 3) != 0)
            continue;
        char before = i ? text.ptr[i - 1] : '(';
        char after = i + 3 < text.len ? text.ptr[i + 3] : ')';
        if (strchr("([{ ", before) || strchr(")]},'\"", after))
            return true;
    }
    return false;
}

/* Index behind the closing quote of the text that begins at i; 0 when it does
 * not end. *unsure is set when a backslash may have been the text's own last
 * character. */
static size_t quoted_end(struct kn_str text, size_t i, bool *unsure)
{
    char quote = text.ptr[i++];
    while (i < text.len && text.ptr[i] != quote) {
        if (text.ptr[i] != '\\') {
            i++;
            continue;
        }
        char next = i + 1 < text.len ? text.ptr[i + 1] : '\0';
        char then = i + 2 < text.len ? text.ptr[i + 2] : ')';
        if (next == '\\' || (next == quote && strchr(",)]}: ", then)))
            *unsure = true;
        i += 2;
    }
    return i < text.len ? i + 1 : 0;
}

bool celery_repr_is_cut(struct kn_str text)
{
    if (text.len < 3 || !memmem(text.ptr, text.len, "...", 3))
        return false;
    if (ends_cut(text))
        return true;
    bool unsure = false;
    for (size_t i = 0; i < text.len;) {
        char c = text.ptr[i];
        if (c == '\'' || c == '"') {
            size_t end = quoted_end(text, i, &unsure);
            if (!end || unsure)
                return anything_looks_cut(text);
            if (dots_before(text, end - 1) && end - 1 >= i + 4)
                return true;
            i = end;
        } else if (i + 3 <= text.len && memcmp(text.ptr + i, "...", 3) == 0) {
            return true;
        } else {
            i++;
        }
    }
    return false;
}
