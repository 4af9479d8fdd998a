#include "services/common/text/mask.h"

#include <ctype.h>
#include <stdlib.h>

#define MASK "***"

enum { SECRETS_MAX = 128, SHORT_SECRET = 3 };

/* ---- the elements of a list of URLs ------------------------------------------------------ */

static bool is_scheme_char(char c)
{
    return isalnum((unsigned char)c) || c == '+' || c == '.' || c == '-';
}

/* The length of "scheme://" at the start, 0 when there is none. */
static size_t scheme_len(struct kn_str s)
{
    size_t len = 0;
    while (len < s.len && is_scheme_char(s.ptr[len]))
        len++;
    return len > 0 && s.len >= len + 3 && memcmp(s.ptr + len, "://", 3) == 0 ? len + 3 : 0;
}

static bool has(struct kn_str s, char c)
{
    return s.len > 0 && memchr(s.ptr, c, s.len);
}

/* A ";" begins a new element when a URL or a host follows; else it belongs to a password. */
static size_t element_len(struct kn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != ';')
            continue;
        struct kn_str rest = {s.ptr + i + 1, s.len - i - 1};
        const char *next = rest.len ? memchr(rest.ptr, ';', rest.len) : NULL;
        struct kn_str one = {rest.ptr, next ? (size_t)(next - rest.ptr) : rest.len};
        if (scheme_len(rest) || !has(one, '@'))
            return i;
    }
    return s.len;
}

/* Takes the next element off the list. False at the end. */
static bool next_element(struct kn_str *list, struct kn_str *ret)
{
    if (list->len == 0)
        return false;
    size_t len = element_len(*list);
    size_t used = len < list->len ? len + 1 : len;
    *ret = (struct kn_str){list->ptr, len};
    *list = (struct kn_str){list->ptr + used, list->len - used};
    return true;
}

static size_t find_any(struct kn_str s, const char *set)
{
    size_t i = 0;
    while (i < s.len && !strchr(set, s.ptr[i]))
        i++;
    return i;
}

static size_t after_last_at(struct kn_str s)
{
    size_t at = s.len;
    while (at > 0 && s.ptr[at - 1] != '@')
        at--;
    return at;
}

/* ---- the URL, to be shown ---------------------------------------------------------------- */

/* "host", "host:5672", "[::1]:1", and several of them with "," between. */
static bool is_place(struct kn_str hosts)
{
    bool in_brackets = false, in_port = false;
    for (size_t i = 0; i < hosts.len; i++) {
        unsigned char c = (unsigned char)hosts.ptr[i];
        if (c == '[' || c == ']')
            in_brackets = c == '[';
        else if (c == ',')
            in_port = false;
        else if (c == ':' && !in_brackets && !in_port)
            in_port = true;
        else if (in_port ? !isdigit(c) : !isalnum(c) && !strchr(".-_:%", c))
            return false;
    }
    return true;
}

static void show_element(struct kn_str element, struct kn_buf *ret)
{
    size_t scheme = scheme_len(element);
    struct kn_str rest = {element.ptr + scheme, element.len - scheme};
    struct kn_str before = {rest.ptr, find_any(rest, "?#")};
    struct kn_str query = {rest.ptr + before.len, rest.len - before.len};
    size_t start = after_last_at(before);
    struct kn_str shown = {before.ptr + start, before.len - start};
    struct kn_str hosts = {shown.ptr, find_any(shown, "/")};
    kn_buf_append(ret, element.ptr, scheme);
    if (has(query, '@') || !is_place(hosts))
        kn_buf_text(ret, MASK);
    else
        kn_buf_str(ret, shown);
}

void kn_mask_url(const char *url, struct kn_buf *ret)
{
    struct kn_str list = kn_str_from(url), element;
    if (!scheme_len(list)) { /* sqlite:/path */
        bool file = kn_str_starts(list, KN_STR("sqlite:")) && !strstr(url, "://");
        bool path = file || !has(list, '@');
        kn_buf_str(ret, path ? (struct kn_str){url, strcspn(url, "?")} : KN_STR(MASK));
        return;
    }
    for (bool first = true; next_element(&list, &element); first = false) {
        kn_buf_text(ret, first ? "" : ";");
        show_element(element, ret);
    }
}

/* ---- a sentence about the URL ------------------------------------------------------------ */

struct secrets {
    char *items[SECRETS_MAX];
    size_t count;
};

static void add(struct secrets *secrets, struct kn_str secret)
{
    if (secret.len == 0 || secrets->count == SECRETS_MAX)
        return;
    char *copy = strndup(secret.ptr, secret.len);
    if (copy)
        secrets->items[secrets->count++] = copy;
}

static void forget(struct secrets *secrets)
{
    for (size_t i = 0; i < secrets->count; i++) {
        explicit_bzero(secrets->items[i], strlen(secrets->items[i]));
        free(secrets->items[i]);
    }
}

/* As it is written, and as it reads when it is percent-decoded. */
static void add_both(struct secrets *secrets, struct kn_str secret)
{
    add(secrets, secret);
    if (!has(secret, '%') || secrets->count == SECRETS_MAX)
        return;
    char *text = malloc(secret.len + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < secret.len; i++) {
        int high =
            i + 2 < secret.len && secret.ptr[i] == '%' ? kn_hex_digit(secret.ptr[i + 1]) : -1;
        int low = high >= 0 ? kn_hex_digit(secret.ptr[i + 2]) : -1;
        text[n++] = low >= 0 ? (char)(high * 16 + low) : secret.ptr[i];
        i += low >= 0 ? 2 : 0;
    }
    if (!text)
        return;
    text[n] = '\0';
    secrets->items[secrets->count++] = text;
}

/* Between the first ":" and the last "@", whatever stands there: a password that should
 * have been encoded. Libraries cut it where they see a delimiter, and quote the pieces. */
static void add_password(struct secrets *secrets, struct kn_str userinfo)
{
    size_t colon = find_any(userinfo, ":");
    struct kn_str user = {userinfo.ptr, colon};
    if (colon == userinfo.len)
        return;
    struct kn_str password = {userinfo.ptr + colon + 1, userinfo.len - colon - 1};
    if (kn_str_eq(user, password))
        return; /* guest:guest is no secret, and the user's name is to be read */
    add_both(secrets, password);
    for (struct kn_str rest = password; rest.len > 0;) {
        size_t len = find_any(rest, "/?#@:;,");
        if (len < password.len)
            add_both(secrets, (struct kn_str){rest.ptr, len});
        len += len < rest.len;
        rest = (struct kn_str){rest.ptr + len, rest.len - len};
    }
}

static void add_query(struct secrets *secrets, struct kn_str query)
{
    while (query.len > 0) {
        size_t end = find_any(query, "&");
        struct kn_str pair = {query.ptr, end};
        size_t equals = find_any(pair, "=");
        if (equals < end && equals >= 4 && memmem(pair.ptr, equals, "pass", 4))
            add_both(secrets, (struct kn_str){pair.ptr + equals + 1, end - equals - 1});
        end += end < query.len;
        query = (struct kn_str){query.ptr + end, query.len - end};
    }
}

static void gather(struct secrets *secrets, const char *url)
{
    struct kn_str list = kn_str_from(url), element;
    add(secrets, list);
    while (next_element(&list, &element)) {
        size_t scheme = scheme_len(element);
        struct kn_str rest = {element.ptr + scheme, element.len - scheme};
        size_t at = after_last_at(rest), question = find_any(rest, "?");
        if (at > 0)
            add_password(secrets, (struct kn_str){rest.ptr, at - 1});
        if (question < rest.len)
            add_query(secrets, (struct kn_str){rest.ptr + question + 1, rest.len - question - 1});
    }
}

static bool is_word(struct kn_str text, size_t at)
{
    return at < text.len && isalnum((unsigned char)text.ptr[at]);
}

/* Whether the secret stands there as a word of its own; a short one only within quotes. */
static bool stands_at(struct kn_str text, size_t at, const char *secret, size_t len)
{
    if (len == 0 || len > text.len - at || memcmp(text.ptr + at, secret, len) != 0)
        return false;
    if (len < SHORT_SECRET)
        return at > 0 && strchr("'\"`", text.ptr[at - 1]) && at + len < text.len &&
               strchr("'\"`", text.ptr[at + len]);
    bool inside = (at > 0 && is_word(text, at - 1) && is_word(text, at)) ||
                  (is_word(text, at + len) && is_word(text, at + len - 1));
    return !inside;
}

void kn_mask_text(struct kn_str text, const char *url, struct kn_buf *ret)
{
    struct secrets secrets = {.count = 0};
    if (url)
        gather(&secrets, url);
    for (size_t i = 0; i < text.len;) {
        size_t longest = 0;
        for (size_t k = 0; k < secrets.count; k++) {
            size_t len = strlen(secrets.items[k]);
            if (len > longest && stands_at(text, i, secrets.items[k], len))
                longest = len;
        }
        if (longest)
            kn_buf_text(ret, MASK);
        else
            kn_buf_char(ret, text.ptr[i]);
        i += longest ? longest : 1;
    }
    forget(&secrets);
}

bool kn_url_has_password(const char *url)
{
    struct secrets secrets = {.count = 0};
    gather(&secrets, url);
    bool has_one = secrets.count > 1; /* the first is the URL */
    forget(&secrets);
    return has_one;
}
