/* Parts of the parser for Python literals. Internal to pyliteral*.c. */
#ifndef KN_CELERY_PYTHON_PYLITERAL_PARTS_H
#define KN_CELERY_PYTHON_PYLITERAL_PARTS_H

#include "services/celery/python/pyliteral.h"

enum value_kind { VALUE_TEXT, VALUE_NUMBER, VALUE_OTHER };

struct frame {
    char open;      /* '(' '[' '{', 'f' for set( and frozenset(, 't' for the top */
    bool comma;     /* the last thing was a comma */
    bool is_dict;   /* '{' with a colon seen */
    bool key_done;  /* a key and its colon were read; the value is next */
    uint32_t count; /* values so far, without the keys of a dict */
    size_t start;   /* of its JSON */
};

struct literal {
    const char *p;
    const char *end;
    struct kn_buf *json;
    bool unsupported;
    bool ambiguous;
    unsigned depth; /* index of the open frame */
    unsigned depth_max;
    struct frame frames[CELERY_LITERAL_DEPTH_MAX + 1];
};

struct quoting {
    bool raw;
    bool bytes;
    char quote;
    bool triple;
};

/* The byte at this distance; -1 after the end. */
static inline int celery_literal_peek(const struct literal *l, size_t ahead)
{
    return (size_t)(l->end - l->p) > ahead ? (unsigned char)l->p[ahead] : -1;
}

static inline bool celery_is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* Whether a byte can be part of a name, or of a malformed number. */
static inline bool celery_is_name(int c)
{
    return (c | 0x20) >= 'a' ? (c | 0x20) <= 'z' || c >= 0x80 || c == '_'
                             : celery_is_digit(c) || c == '_';
}

/* 0 to 15; 99 for any other byte. */
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

/* Skips the word if it is next and complete. */
static inline bool celery_literal_word(struct literal *l, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(l->end - l->p) < n || memcmp(l->p, word, n) != 0 ||
        celery_is_name(celery_literal_peek(l, n)))
        return false;
    l->p += n;
    return true;
}

/* Reads the prefix letters and opening quotes of a text; false when no text begins here. */
bool celery_literal_prefix(struct literal *l, struct quoting *ret);
/* Continues after the quotes: one text, or several adjacent ones. */
bool celery_literal_text(struct literal *l, struct quoting q, enum value_kind *ret_kind);
/* Reads a number with its sign, or a complex number: real +/- imaginary. */
enum kn_status celery_literal_number(struct literal *l);

#endif
