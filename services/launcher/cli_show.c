#include "services/launcher/cli_show.h"

#include "proto/enums.h"
#include "services/common/text/clean.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { COLUMNS_MAX = 12, CELL_MIN = 8, CELL_MAX = 200 };

/* ---- texts ----------------------------------------------------------------------------- */

/* A value in one line. */
static void write_value(struct kn_buf *out, const json_t *value)
{
    if (json_is_null(value) || !value)
        return;
    if (json_is_string(value)) {
        kn_clean(out, (struct kn_str){json_string_value(value), json_string_length(value)});
        return;
    }
    if (json_is_array(value)) {
        bool texts = true;
        for (size_t i = 0; i < json_array_size(value); i++)
            texts = texts && json_is_string(json_array_get(value, i));
        for (size_t i = 0; texts && i < json_array_size(value); i++) {
            kn_buf_text(out, i ? ", " : "");
            write_value(out, json_array_get(value, i));
        }
        if (texts)
            return;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    if (text)
        kn_clean(out, kn_str_from(text));
    free(text);
}

/* The status of a task in the words of the dashboard. */
static void write_text_of(struct kn_buf *out, const char *key, const json_t *value)
{
    const char *label = NULL;
    if (json_is_string(value) && strcmp(key, "status") == 0)
        label = kn_task_status_label(
            (struct kn_str){json_string_value(value), json_string_length(value)});
    if (label)
        kn_buf_text(out, label);
    else
        write_value(out, value);
}

/* ---- tables ---------------------------------------------------------------------------- */

int cli_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

static int width_of(uint32_t c)
{
    int width = wcwidth((wchar_t)c);
    return width < 0 ? 1 : width;
}

/* The text's columns; with out, what fits into max of them is written and filled up. */
static int fit(struct kn_buf *out, struct kn_str text, int max, bool last)
{
    int used = 0;
    while (text.len > 0) {
        uint32_t c = 0;
        size_t len = kn_utf8_next(text, &c);
        if (len == 0)
            break;
        int width = width_of(c);
        struct kn_str rest = {text.ptr + len, text.len - len};
        if (out && used + width + (rest.len > 0 ? 1 : 0) > max &&
            fit(NULL, text, 0, true) > max - used) {
            kn_buf_text(out, "…");
            used++;
            break;
        }
        if (out)
            kn_buf_append(out, text.ptr, len);
        used += width;
        text = rest;
    }
    for (; out && !last && used < max; used++)
        kn_buf_char(out, ' ');
    return used;
}

struct layout {
    int widths[COLUMNS_MAX];
    size_t count;
};

static struct kn_str cell(struct kn_buf *scratch, const json_t *item, const char *key)
{
    kn_buf_clear(scratch);
    write_text_of(scratch, key, json_object_get(item, key));
    struct kn_str text = kn_buf_view(scratch);
    return kn_utf8_head(text, 4096);
}

static void measure(struct layout *layout, const json_t *items, const struct cli_column *columns,
                    int width, struct kn_buf *scratch)
{
    int total = 0;
    for (size_t k = 0; columns[k].title && k < COLUMNS_MAX; k++) {
        layout->widths[k] = (int)strlen(columns[k].title);
        for (size_t i = 0; i < json_array_size(items); i++) {
            int need = fit(NULL, cell(scratch, json_array_get(items, i), columns[k].key), 0, true);
            need = need > CELL_MAX && width ? CELL_MAX : need;
            if (need > layout->widths[k])
                layout->widths[k] = need;
        }
        total += layout->widths[k] + 2;
        layout->count++;
    }
    for (int pass = 0; width && pass < 2; pass++) /* wide ones first, then any */
        while (total - 2 > width) {
            int *widest = NULL;
            for (size_t k = 0; k < layout->count; k++)
                if ((columns[k].wide || pass) && layout->widths[k] > CELL_MIN &&
                    (!widest || layout->widths[k] > *widest))
                    widest = &layout->widths[k];
            if (!widest)
                break;
            --*widest;
            total--;
        }
}

void cli_table(struct kn_buf *out, const json_t *items, const struct cli_column *columns, int width)
{
    struct layout layout = {0};
    struct kn_buf scratch;
    kn_buf_init(&scratch, 0);
    measure(&layout, items, columns, width, &scratch);
    for (size_t k = 0; k < layout.count; k++) {
        fit(out, kn_str_from(columns[k].title), layout.widths[k], k + 1 == layout.count);
        kn_buf_text(out, k + 1 == layout.count ? "\n" : "  ");
    }
    for (size_t i = 0; i < json_array_size(items); i++)
        for (size_t k = 0; k < layout.count; k++) {
            fit(out, cell(&scratch, json_array_get(items, i), columns[k].key), layout.widths[k],
                k + 1 == layout.count);
            kn_buf_text(out, k + 1 == layout.count ? "\n" : "  ");
        }
    kn_buf_fini(&scratch);
}

/* A text of several lines, such as a traceback, below its name; the rest beside it. */
static void write_member(struct kn_buf *out, const char *key, const json_t *value)
{
    struct kn_str text = {json_string_value(value), json_string_length(value)};
    if (text.ptr && memchr(text.ptr, '\n', text.len)) {
        kn_clean_lines(out, text, "    ");
        return;
    }
    kn_buf_char(out, ' ');
    write_text_of(out, key, value);
}

void cli_members(struct kn_buf *out, const json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        if (json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0))
            continue;
        kn_clean(out, kn_str_from(key));
        kn_buf_char(out, ':');
        write_member(out, key, value);
        kn_buf_char(out, '\n');
    }
}
