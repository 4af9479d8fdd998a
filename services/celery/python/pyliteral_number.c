/* Numbers, digit by digit as they stand. */
#include "services/celery/python/pyliteral_parts.h"

#include "services/common/count.h"

enum {
    FLOAT_TEXT_MAX = 400,
    BIG_DIGITS_MAX = 4300, /* Python's own limit, sys.int_info.default_max_str_digits */
};

/* Digits with single underscores between them, appended without these.
 * Returns how many digits; sets *bad for an underscore in a wrong place. */
static size_t read_digits(struct literal *l, int base, struct kn_buf *out, bool *bad)
{
    size_t count = 0;
    for (;;) {
        int c = celery_literal_peek(l, 0);
        if (c == '_' && count > 0 && celery_digit_of(celery_literal_peek(l, 1)) < base) {
            l->p++;
            continue;
        }
        if (celery_digit_of(c) >= base)
            break;
        if (out)
            kn_buf_char(out, (char)c);
        count++;
        l->p++;
    }
    if (celery_literal_peek(l, 0) == '_')
        *bad = true;
    return count;
}

/* 0x…, 0o…, 0b… in decimal. */
static enum kn_status read_based(struct literal *l, bool negative)
{
    int letter = celery_literal_peek(l, 1) | 0x20;
    int base = letter == 'x' ? 16 : letter == 'o' ? 8 : 2;
    uint32_t limbs[BIG_DIGITS_MAX / 9 + 2] = {0}; /* each nine decimal digits */
    size_t used = 1, digits = 0;
    l->p += 2;
    for (;; l->p++) {
        int c = celery_literal_peek(l, 0);
        if (c == '_' && celery_digit_of(celery_literal_peek(l, 1)) < base)
            continue;
        if (celery_digit_of(c) >= base)
            break;
        uint64_t carry = (uint64_t)celery_digit_of(c);
        for (size_t i = 0; i < used; i++) {
            carry += (uint64_t)limbs[i] * (uint64_t)base;
            limbs[i] = (uint32_t)(carry % 1000000000);
            carry /= 1000000000;
        }
        if (carry) {
            if (used == KN_COUNT_OF(limbs))
                return KN_TOO_BIG;
            limbs[used++] = (uint32_t)carry;
        }
        digits++;
    }
    if (digits == 0 || celery_is_name(celery_literal_peek(l, 0)))
        return KN_INVALID;
    bool zero = used == 1 && limbs[0] == 0;
    kn_buf_printf(l->json, "%s%u", negative && !zero ? "-" : "", limbs[used - 1]);
    for (size_t i = used - 1; i-- > 0;)
        kn_buf_printf(l->json, "%09u", limbs[i]);
    return KN_OK;
}

/* Removes zeros before the first digit that counts; from: index in json. */
static size_t strip_zeros(struct kn_buf *json, size_t from)
{
    size_t zeros = 0;
    while (from + zeros + 1 < json->len && json->data[from + zeros] == '0' &&
           celery_is_digit(json->data[from + zeros + 1]))
        zeros++;
    if (zeros) {
        memmove(json->data + from, json->data + from + zeros, json->len - from - zeros);
        json->len -= zeros;
    }
    return zeros;
}

static bool overflows(const char *text, size_t len)
{
    double value;
    return !kn_str_to_f64((struct kn_str){text, len}, &value);
}

/* Whether what stands at start in json is only zeros. */
static bool all_zero(const struct kn_buf *json, size_t start)
{
    for (size_t i = start; i < json->len; i++) {
        if (json->data[i] != '0')
            return false;
    }
    return true;
}

static enum kn_status read_fraction(struct literal *l, bool *bad)
{
    if (celery_literal_peek(l, 0) == '.') {
        l->p++;
        kn_buf_char(l->json, '.');
        if (read_digits(l, 10, l->json, bad) == 0)
            kn_buf_char(l->json, '0');
    }
    if ((celery_literal_peek(l, 0) | 0x20) != 'e')
        return KN_OK;
    l->p++;
    kn_buf_char(l->json, 'e');
    if (celery_literal_peek(l, 0) == '+' || celery_literal_peek(l, 0) == '-')
        kn_buf_char(l->json, *l->p++);
    return read_digits(l, 10, l->json, bad) ? KN_OK : KN_INVALID;
}

/* A decimal number without its sign; *ret_imaginary when a j follows. */
static enum kn_status read_decimal(struct literal *l, bool negative, bool *ret_imaginary)
{
    size_t sign = l->json->len;
    if (negative)
        kn_buf_char(l->json, '-');
    size_t start = l->json->len;
    bool bad = false;
    size_t whole = read_digits(l, 10, l->json, &bad);
    int next = celery_literal_peek(l, 0);
    bool is_float = next == '.' || (whole && (next | 0x20) == 'e');
    if (!whole && (next != '.' || !celery_is_digit(celery_literal_peek(l, 1))))
        return KN_INVALID;
    if (!whole)
        kn_buf_char(l->json, '0');
    if (is_float && read_fraction(l, &bad) != KN_OK)
        return KN_INVALID;
    *ret_imaginary = (celery_literal_peek(l, 0) | 0x20) == 'j';
    if (*ret_imaginary)
        l->p++;
    if (bad || celery_is_name(celery_literal_peek(l, 0)))
        return KN_INVALID;
    if (kn_buf_status(l->json) != KN_OK)
        return kn_buf_status(l->json);
    bool zero = !is_float && all_zero(l->json, start);
    if (strip_zeros(l->json, start) && !is_float && !*ret_imaginary && !zero)
        return KN_INVALID; /* 0777 */
    if (zero && negative) {
        l->json->len = sign;
        kn_buf_char(l->json, '0');
    }
    size_t len = l->json->len - start;
    if (is_float && len > FLOAT_TEXT_MAX)
        return KN_TOO_BIG;
    if (is_float && overflows(l->json->data + start, len))
        l->unsupported = true; /* infinite, in Python */
    return KN_OK;
}

static enum kn_status read_unsigned(struct literal *l, bool negative, bool *ret_imaginary)
{
    *ret_imaginary = false;
    /* str(float('nan')): what saferepr writes, though no literal to Python */
    if (celery_literal_word(l, "nan") || celery_literal_word(l, "inf")) {
        l->unsupported = true;
        return KN_OK;
    }
    int next = celery_literal_peek(l, 1) | 0x20;
    if (celery_literal_peek(l, 0) == '0' && (next == 'x' || next == 'o' || next == 'b'))
        return read_based(l, negative);
    return read_decimal(l, negative, ret_imaginary);
}

enum kn_status celery_literal_number(struct literal *l)
{
    int sign = celery_literal_peek(l, 0);
    if (sign == '-' || sign == '+') {
        l->p++;
        celery_literal_space(l);
    }
    bool imaginary;
    enum kn_status status = read_unsigned(l, sign == '-', &imaginary);
    if (status != KN_OK)
        return status;
    if (imaginary) {
        l->unsupported = true;
        return KN_OK;
    }
    celery_literal_space(l);
    sign = celery_literal_peek(l, 0);
    if (sign != '-' && sign != '+')
        return KN_OK;
    l->p++;
    celery_literal_space(l);
    status = read_unsigned(l, false, &imaginary);
    l->unsupported = true;
    return status == KN_OK && !imaginary ? KN_INVALID : status;
}
