#include "services/celery/python/repr_match.h"

#include "services/celery/python/vouch.h"
#include "services/celery/read/reader.h"
#include "services/common/count.h"

struct match {
    struct celery_reader r;
    const char *p, *end; /* of the text */
    bool open;           /* something could not be compared */
    bool stopped;        /* nothing behind this place can be */
};

static bool at(const struct match *m, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(m->end - m->p) >= n && memcmp(m->p, text, n) == 0;
}

static bool take(struct match *m, const char *text)
{
    bool yes = at(m, text);
    m->p += yes ? strlen(text) : 0;
    return yes;
}

static bool stop(struct match *m)
{
    m->open = m->stopped = true;
    return true;
}

/* The end of an opaque value (an object, a datetime, bytes), found by brackets and quotes. */
static bool pass_unsayable(struct match *m)
{
    unsigned depth = 0;
    m->open = true;
    if (at(m, "<"))
        return stop(m); /* may hold anything */
    for (; m->p < m->end; m->p++) {
        char c = *m->p;
        if (c == '\'' || c == '"') {
            const char *close = memchr(m->p + 1, c, (size_t)(m->end - m->p - 1));
            if (!close)
                return stop(m);
            m->p = close;
        } else if (strchr("([{", c)) {
            depth++;
        } else if (strchr(")]}", c)) {
            if (!depth)
                return true;
            depth--;
        } else if (!depth && (at(m, ", ") || at(m, ": "))) {
            return true;
        }
    }
    return true;
}

/* None, True or False, not a word that only begins like them. */
static bool is_word(const struct match *m)
{
    static const char *const words[] = {"None", "True", "False"};
    for (size_t i = 0; i < KN_COUNT_OF(words); i++) {
        const char *behind = m->p + strlen(words[i]);
        if (at(m, words[i]) && (behind == m->end || strchr(",:)]}", *behind)))
            return true;
    }
    return false;
}

/* A word such as datetime(…), inf, -inf, b'…', or an object. */
static bool is_unsayable(const struct match *m)
{
    char c = m->p < m->end ? *m->p : '\0';
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return (letter && !is_word(m)) || c == '<' || c == '_' || at(m, "-inf");
}

/* ---- values ------------------------------------------------------------------------------ */

static bool is_hidden(const struct match *m, const char *from)
{
    const char *close = memchr(from, '\'', (size_t)(m->end - from));
    struct kn_str text = {from, (size_t)((close ? close : m->end) - from)};
    return celery_looks_hidden(text);
}

static bool match_text(struct match *m, struct kn_str text)
{
    if (!at(m, "'"))
        return is_unsayable(m) && pass_unsayable(m);
    const char *from = ++m->p;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'' && !take(m, "\\"))
            break;
        if (m->p == m->end || *m->p != text.ptr[i])
            break;
        m->p++;
        if (i + 1 == text.len && take(m, "'"))
            return true;
    }
    if (!text.len && take(m, "'"))
        return true;
    if (at(m, "...'") || at(m, "\\...'"))
        return stop(m);
    if (!is_hidden(m, from))
        return false;
    m->p = from - 1;
    return pass_unsayable(m);
}

static bool match_number(struct match *m, const struct celery_token *token)
{
    const char *p = m->p;
    double a, b;
    if (is_unsayable(m))
        return pass_unsayable(m);
    while (p < m->end && strchr("0123456789+-.e", *p))
        p++;
    struct kn_str text = {m->p, (size_t)(p - m->p)};
    if (text.len > 3 && memcmp(p - 3, "...", 3) == 0) /* the digits were truncated */
        return stop(m);
    m->p = p;
    if (token->text.ptr && kn_str_eq(text, token->text))
        return true;
    bool real = memchr(text.ptr, '.', text.len) || memchr(text.ptr, 'e', text.len);
    return real && token->kind == CELERY_FLOAT && kn_str_to_f64(text, &a) &&
           celery_token_f64(token, &b) && a == b;
}

static bool match_word(struct match *m, const char *word)
{
    return is_word(m) ? take(m, word) : is_unsayable(m) && pass_unsayable(m);
}

static bool match_value(struct match *m, const struct celery_token *token);

/* ", " or the end of a container whose next token is token. */
static bool match_separator(struct match *m, size_t count, const struct celery_token *token,
                            const char *close, bool tuple)
{
    if (at(m, ", ...") || at(m, "..."))
        return stop(m);
    if (token->kind == CELERY_CLOSE)
        return (tuple && count == 1 && take(m, ",)")) || take(m, close);
    return !count || take(m, ", ");
}

static bool match_list(struct match *m)
{
    bool tuple = at(m, "(");
    const char *close = tuple ? ")" : "]";
    if (!take(m, "(") && !take(m, "["))
        return false;
    for (size_t count = 0;; count++) {
        struct celery_token token;
        if (celery_reader_next(&m->r, &token) != KN_OK)
            return false;
        if (!match_separator(m, count, &token, close, tuple))
            return false;
        if (m->stopped || token.kind == CELERY_CLOSE)
            return true;
        if (!match_value(m, &token))
            return false;
        if (m->stopped)
            return true;
    }
}

/* Keys that are no texts become texts in JSON. */
static bool match_key(struct match *m, const struct celery_token *key)
{
    if (at(m, "'"))
        return match_text(m, key->text);
    return pass_unsayable(m);
}

static bool match_map(struct match *m)
{
    if (!take(m, "{"))
        return false;
    for (size_t count = 0;; count++) {
        struct celery_token token;
        if (celery_reader_next(&m->r, &token) != KN_OK)
            return false;
        if (!match_separator(m, count, &token, "}", false))
            return false;
        if (m->stopped || token.kind == CELERY_CLOSE)
            return true;
        if (!match_key(m, &token))
            return false;
        if (m->stopped || at(m, ", ..."))
            return stop(m);
        if (!take(m, ": ") || celery_reader_next(&m->r, &token) != KN_OK || !match_value(m, &token))
            return false;
        if (m->stopped)
            return true;
    }
}

static bool match_container(struct match *m, const struct celery_token *token)
{
    static const char *const deep[] = {"[...]", "(...)", "(...,)", "{...}"};
    bool passes = is_unsayable(m);
    for (size_t i = 0; i < KN_COUNT_OF(deep); i++)
        passes = passes || at(m, deep[i]);
    if (!passes)
        return token->kind == CELERY_LIST ? match_list(m) : match_map(m);
    return celery_reader_skip(&m->r, token) == KN_OK && pass_unsayable(m);
}

static bool match_value(struct match *m, const struct celery_token *token)
{
    if (at(m, "...") || at(m, ", ..."))
        return stop(m);
    switch (token->kind) {
    case CELERY_TEXT:
        return match_text(m, token->text);
    case CELERY_INT:
    case CELERY_FLOAT:
        return match_number(m, token);
    case CELERY_NULL:
        return match_word(m, "None");
    case CELERY_BOOL:
        return match_word(m, token->boolean ? "True" : "False");
    case CELERY_LIST:
    case CELERY_MAP:
        return match_container(m, token);
    default:
        return false;
    }
}

enum celery_match celery_repr_match(struct kn_str text, struct kn_str json, struct kn_arena *arena)
{
    struct match m = {.p = text.ptr, .end = text.ptr + text.len};
    struct celery_token token;
    if (!text.len || !strchr("([{", text.ptr[0]) || !kn_utf8_valid(json))
        return CELERY_MATCH_NOTHING;
    celery_reader_init(&m.r, CELERY_JSON, json, arena);
    if (celery_reader_next(&m.r, &token) != KN_OK)
        return CELERY_MATCH_NOTHING;
    if (!match_value(&m, &token) || (!m.stopped && m.p != m.end))
        return CELERY_MATCH_DIFFERENT;
    return m.open ? CELERY_MATCH_OPEN : CELERY_MATCH_SAME;
}

/* ---- JSON alone ---------------------------------------------------------------------------- */

static bool same_token(const struct celery_token *a, const struct celery_token *b)
{
    double x, y;
    if (a->kind != b->kind)
        return false;
    if (a->kind == CELERY_BOOL)
        return a->boolean == b->boolean;
    if (a->kind == CELERY_FLOAT && celery_token_f64(a, &x) && celery_token_f64(b, &y))
        return x == y;
    return (a->kind != CELERY_TEXT && a->kind != CELERY_INT && a->kind != CELERY_FLOAT) ||
           kn_str_eq(a->text, b->text);
}

bool celery_json_same(struct kn_str a, struct kn_str b, struct kn_arena *arena)
{
    struct celery_reader readers[2];
    if (!kn_utf8_valid(a) || !kn_utf8_valid(b))
        return false;
    celery_reader_init(&readers[0], CELERY_JSON, a, arena);
    celery_reader_init(&readers[1], CELERY_JSON, b, arena);
    do {
        struct celery_token tokens[2];
        for (int i = 0; i < 2; i++)
            if (celery_reader_next(&readers[i], &tokens[i]) != KN_OK)
                return false;
        if (!same_token(&tokens[0], &tokens[1]))
            return false;
    } while (readers[0].depth);
    return true;
}

/* A map of kombu's: nothing changes it in place. */
static bool is_typed(struct celery_reader *r)
{
    struct celery_reader before = *r;
    struct celery_token key;
    bool typed = celery_reader_next(r, &key) == KN_OK && key.kind == CELERY_TEXT &&
                 kn_str_eq(key.text, KN_STR("__type__"));
    *r = before;
    return typed;
}

bool celery_json_is_flat(struct kn_str json, struct kn_arena *arena)
{
    struct celery_reader r;
    struct celery_token token;
    if (!kn_utf8_valid(json))
        return false;
    celery_reader_init(&r, CELERY_JSON, json, arena);
    do {
        if (celery_reader_next(&r, &token) != KN_OK)
            return false;
        if (r.depth < 2 || (token.kind != CELERY_LIST && token.kind != CELERY_MAP))
            continue;
        if (token.kind == CELERY_LIST || !is_typed(&r) || celery_reader_skip(&r, &token) != KN_OK)
            return false;
    } while (r.depth);
    return true;
}

bool celery_json_has_number(struct kn_str json, struct kn_arena *arena)
{
    struct celery_reader r;
    struct celery_token token;
    if (!kn_utf8_valid(json))
        return false;
    celery_reader_init(&r, CELERY_JSON, json, arena);
    do {
        if (celery_reader_next(&r, &token) != KN_OK)
            return false;
        if (token.kind == CELERY_INT || token.kind == CELERY_FLOAT)
            return true;
    } while (r.depth);
    return false;
}
