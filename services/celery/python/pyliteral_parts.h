/* The parts of the parser of Python literals. Internal to pyliteral*.c. */
#ifndef KN_CELERY_PYTHON_PYLITERAL_PARTS_H
#define KN_CELERY_PYTHON_PYLITERAL_PARTS_H

#include "services/celery/python/pyliteral.h"

enum value_kind { VALUE_TEXT, VALUE_NUMBER, VALUE_OTHER };

struct frame {
    char open;      /* '(' '[' '{', 'f' for set( and frozenset(, 't' for the top */
    bool comma;     /* the last thing was a comma */
    bool is_dict;   /* '{' with a colon seen */
    bool key_done;  /* a key and its colon, the value is awaited */
    uint32_t count; /* values so far, keys not counted in a dict */
    size_t start;   /* of its JSON */
};

struct literal {
    const char *p;
    const char *end;
    struct kn_buf *json;
    bool unsupported;
    bool ambiguous;
    unsigned depth; /* index of the frame that is open */
    unsigned depth_max;
    struct frame frames[CELERY_LITERAL_DEPTH_MAX + 1];
};

struct quoting {
    bool raw;
    bool bytes;
    char quote;
    bool triple;
};

/* The byte that is so far ahead; -1 behind the end. */
static inline int celery_literal_peek(const struct literal *l, size_t ahead)
{
    return (size_t)(l->end - l->p) > ahead ? (unsigned char)l->p[ahead] : -1;
}

static inline bool celery_is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* Part of a name, or of a number that ends too late. */
static inline bool celery_is_name(int c)
{
    return (c | 0x20) >= 'a' ? (c | 0x20) <= 'z' || c >= 0x80 || c == '_'
                             : celery_is_digit(c) || c == '_';
}

/* 0 to 15; 99 for what is no digit. */
static inline int celery_digit_of(int c)
{
    if (celery_is_digit(c))
        return c - '0';
    int low = c | 0x20;
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : 99;
}

static inline void celery_literal_space(struct literal *l)
{
    for (; l->p < l->end; l->p++) {
        char c = *l->p;
        if (c == ' ' || c == '\t' || c == '\f')
            continue;
        if ((c == '\n' || c == '\r') && l->depth > 0)
            continue;
        if (c == '\\' && celery_literal_peek(l, 1) == '\n') {
            l->p++;
            continue;
        }
        break;
    }
}

/* Behind the word, if it stands here and ends here. */
static inline bool celery_literal_word(struct literal *l, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(l->end - l->p) < n || memcmp(l->p, word, n) != 0 ||
        celery_is_name(celery_literal_peek(l, n)))
        return false;
    l->p += n;
    return true;
}

/* Letters and opening quotes of a text; false when there is none here. */
bool celery_literal_prefix(struct literal *l, struct quoting *ret);
/* From behind these: one text, or several that stand behind one another. */
bool celery_literal_text(struct literal *l, struct quoting q, enum value_kind *ret_kind);
/* A number with its sign, or a complex one: real +/- imaginary. */
enum kn_status celery_literal_number(struct literal *l);

#endif
