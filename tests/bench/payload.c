#include "tests/bench/payload.h"

enum { TEXT = 1 << 16, CUT = 1024, LONGEST = 2000 };

static char text[TEXT];

/* Words of letters and a few digits: nothing that Python or JSON would escape. */
void payload_setup(uint64_t seed)
{
    static const char letters[] = "eeeeaaiioottnnssrrhlducmfpgwybvk0123456789";
    struct dice dice = dice_for(seed, UINT64_MAX - 1);
    for (size_t i = 0; i < TEXT; i++)
        text[i] = dice_below(&dice, 6) ? letters[dice_below(&dice, sizeof letters - 1)] : ' ';
}

static void words(struct kn_buf *out, struct dice *dice, uint32_t size)
{
    kn_buf_append(out, text + dice_below(dice, TEXT - LONGEST), size < LONGEST ? size : LONGEST);
}

void payload_number(struct kn_buf *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    kn_buf_append(out, digits + at, sizeof digits - at);
}

static uint32_t args_size(struct dice *dice, enum load_payload kind)
{
    if (kind == LOAD_SMALL)
        return dice_between(dice, 20, 60);
    uint32_t percent = dice_below(dice, 100);
    if (kind == LOAD_BIG || percent == 99)
        return CUT;
    if (percent < 60)
        return dice_between(dice, 20, 100);
    return percent < 90 ? dice_between(dice, 100, 400) : dice_between(dice, 400, 900);
}

static uint32_t kwargs_size(struct dice *dice, enum load_payload kind)
{
    if (kind == LOAD_BIG)
        return CUT;
    if (dice_below(dice, 2))
        return 2;
    if (kind == LOAD_SMALL)
        return dice_between(dice, 20, 40);
    uint32_t size = args_size(dice, kind) / 3;
    return size < 20 ? 20 : size;
}

static uint32_t result_size(struct dice *dice, enum load_payload kind)
{
    if (kind == LOAD_SMALL)
        return dice_between(dice, 4, 40);
    uint32_t percent = dice_below(dice, 100);
    if (kind == LOAD_BIG || percent == 99)
        return CUT;
    if (percent < 70)
        return dice_between(dice, 4, 60);
    return percent < 95 ? dice_between(dice, 60, 300) : dice_between(dice, 300, 900);
}

/* Ends what begins at start with end, so that it has size bytes, or as Celery
 * does what it cuts. */
static void fill(struct kn_buf *out, struct dice *dice, size_t start, uint32_t size,
                 const char *end)
{
    size_t used = out->len - start + strlen(end);
    if (size >= CUT)
        end = "...', ...)";
    if (size > used)
        words(out, dice, (uint32_t)(size - used));
    kn_buf_text(out, end);
}

void payload_args(struct kn_buf *out, struct dice *dice, enum load_payload kind, uint64_t number)
{
    size_t start = out->len;
    uint32_t size = args_size(dice, kind);
    kn_buf_char(out, '(');
    payload_number(out, number);
    kn_buf_text(out, ", '");
    fill(out, dice, start, size, "')");
}

void payload_kwargs(struct kn_buf *out, struct dice *dice, enum load_payload kind)
{
    size_t start = out->len;
    uint32_t size = kwargs_size(dice, kind);
    if (size == 2) {
        kn_buf_text(out, "{}");
        return;
    }
    kn_buf_text(out, "{'note': '");
    fill(out, dice, start, size, "'}");
}

void payload_result(struct kn_buf *out, struct dice *dice, enum load_payload kind)
{
    size_t start = out->len;
    uint32_t size = result_size(dice, kind);
    if (size < 12) {
        payload_number(out, dice_below(dice, 100000));
        return;
    }
    kn_buf_text(out, "'");
    fill(out, dice, start, size, "'");
}

static uint32_t traceback_size(struct dice *dice, enum load_payload kind)
{
    if (kind == LOAD_SMALL)
        return 600;
    return kind == LOAD_MIXED ? dice_between(dice, 600, 3000) : dice_between(dice, 4000, 16000);
}

void payload_error(struct kn_buf *out, struct dice *dice, enum load_payload kind)
{
    static const char *const types[] = {"ValueError", "KeyError", "ConnectionError",
                                        "TimeoutError"};
    static const char head[] = "Traceback (most recent call last):\\n";
    const char *type = types[dice_below(dice, 4)];
    uint32_t size = traceback_size(dice, kind);
    kn_buf_text(out, type);
    kn_buf_text(out, "('");
    words(out, dice, dice_between(dice, 30, 100));
    kn_buf_text(out, "')\", \"traceback\": \"");
    size_t start = out->len;
    kn_buf_text(out, head);
    while (out->len - start + 100 < size) {
        kn_buf_text(out, "  File \\\"/srv/shop/tasks/orders.py\\\", line ");
        payload_number(out, dice_between(dice, 10, 999));
        kn_buf_text(out, ", in step\\n    ");
        words(out, dice, dice_between(dice, 20, 60));
        kn_buf_text(out, "\\n");
    }
    kn_buf_text(out, type);
    kn_buf_text(out, ": ");
    words(out, dice, 30);
    kn_buf_text(out, "\\n");
}
