#include "services/common/text/json.h"

static bool is_too_deep(struct kn_str text)
{
    size_t depth = 0;
    bool in_text = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_text && c == '\\')
            i++;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && (c == '[' || c == '{') && ++depth > KN_JSON_DEPTH_MAX)
            return true;
        else if (!in_text && (c == ']' || c == '}') && depth > 0)
            depth--;
    }
    return false;
}

json_t *kn_json_load(struct kn_str text, size_t flags)
{
    if (!text.ptr || is_too_deep(text))
        return NULL;
    return json_loadb(text.ptr, text.len, flags, NULL);
}
