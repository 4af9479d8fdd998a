#include "gateway/server/ws.h"

#include "services/celery/read/base64.h"

#include <openssl/evp.h>

/* byte 0: FIN, RSV1-3, opcode; byte 1: MASK, length of 7 bits, or 126 and 2 bytes, or 127
 * and 8 bytes; then the mask's 4 bytes, then the payload. */
struct frame {
    bool final;
    unsigned opcode;
    size_t header;
    uint64_t len;
    unsigned char mask[4];
};

void gw_ws_reader_init(struct gw_ws_reader *reader, size_t max)
{
    *reader = (struct gw_ws_reader){.max = max};
    kn_buf_init(&reader->message, max);
}

void gw_ws_reader_fini(struct gw_ws_reader *reader)
{
    kn_buf_fini(&reader->message);
}

static uint64_t big_endian(const unsigned char *at, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}

/* Whether the first two bytes may begin a frame, after what was read before. 0 or a code. */
static int check_start(const struct gw_ws_reader *reader, unsigned char first, unsigned char second)
{
    unsigned opcode = first & 0x0f, len = second & 0x7f;
    if (first & 0x70 || !(second & 0x80))
        return GW_WS_PROTOCOL_ERROR;
    switch (opcode) {
    case GW_WS_CONTINUATION:
        return reader->in_message ? 0 : GW_WS_PROTOCOL_ERROR;
    case GW_WS_TEXT:
    case GW_WS_BINARY:
        return reader->in_message ? GW_WS_PROTOCOL_ERROR : 0;
    case GW_WS_CLOSE:
    case GW_WS_PING:
    case GW_WS_PONG:
        return first & 0x80 && len <= GW_WS_CONTROL_MAX ? 0 : GW_WS_PROTOCOL_ERROR;
    default:
        return GW_WS_PROTOCOL_ERROR;
    }
}

/* OK: ret is whole; AGAIN; INVALID with *ret_code. */
static enum kn_status read_header(const struct gw_ws_reader *reader, const unsigned char *data,
                                  size_t have, struct frame *ret, int *ret_code)
{
    if (have < 2)
        return KN_AGAIN;
    *ret_code = check_start(reader, data[0], data[1]);
    if (*ret_code)
        return KN_INVALID;
    size_t extra = (data[1] & 0x7f) == 126 ? 2 : (data[1] & 0x7f) == 127 ? 8 : 0;
    if (have < 2 + extra)
        return KN_AGAIN;
    ret->len = extra ? big_endian(data + 2, extra) : data[1] & 0x7fU;
    if (extra && (ret->len < 126 || (extra == 8 && ret->len < 65536))) {
        *ret_code = GW_WS_PROTOCOL_ERROR; /* the shortest form must be used */
        return KN_INVALID;
    }
    ret->opcode = data[0] & 0x0f;
    ret->final = data[0] & 0x80;
    ret->header = 2 + extra + 4;
    size_t before = ret->opcode == GW_WS_CONTINUATION ? reader->message.len : 0;
    if (ret->opcode < GW_WS_CLOSE && ret->len > reader->max - before) {
        *ret_code = GW_WS_TOO_BIG;
        return KN_INVALID;
    }
    if (have < ret->header)
        return KN_AGAIN;
    memcpy(ret->mask, data + 2 + extra, 4);
    return KN_OK;
}

static enum kn_status close_with(struct gw_ws_event *event, int code)
{
    event->code = code;
    return KN_INVALID;
}

/* A message, or a part of one. */
static enum kn_status take_data(struct gw_ws_reader *reader, const struct frame *frame,
                                struct gw_ws_event *event)
{
    if (frame->opcode != GW_WS_CONTINUATION) {
        reader->opcode = frame->opcode;
        kn_buf_clear(&reader->message);
    }
    if (frame->opcode == GW_WS_CONTINUATION || !frame->final) {
        kn_buf_str(&reader->message, event->payload);
        if (kn_buf_status(&reader->message) != KN_OK)
            return close_with(event, GW_WS_TOO_BIG);
        event->payload = kn_buf_view(&reader->message);
    }
    reader->in_message = !frame->final;
    event->opcode = reader->opcode;
    if (!frame->final)
        return KN_AGAIN;
    if (event->opcode == GW_WS_TEXT && !kn_utf8_valid(event->payload))
        return close_with(event, GW_WS_NOT_UTF8);
    return KN_OK;
}

static enum kn_status take_close(struct gw_ws_event *event)
{
    if (event->payload.len == 1)
        return close_with(event, GW_WS_PROTOCOL_ERROR);
    if (event->payload.len < 2)
        return KN_OK;
    unsigned code = (unsigned)big_endian((const unsigned char *)event->payload.ptr, 2);
    bool known = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
                 (code >= 3000 && code <= 4999);
    struct kn_str reason = {event->payload.ptr + 2, event->payload.len - 2};
    if (!known)
        return close_with(event, GW_WS_PROTOCOL_ERROR);
    return kn_utf8_valid(reason) ? KN_OK : close_with(event, GW_WS_NOT_UTF8);
}

enum kn_status gw_ws_read(struct gw_ws_reader *reader, char *data, size_t len,
                          struct gw_ws_event *ret)
{
    struct frame frame = {0};
    *ret = (struct gw_ws_event){0};
    enum kn_status status =
        read_header(reader, (const unsigned char *)data, len, &frame, &ret->code);
    if (status != KN_OK)
        return status;
    if (len - frame.header < frame.len)
        return KN_AGAIN;
    char *payload = data + frame.header;
    for (size_t i = 0; i < frame.len; i++)
        payload[i] = (char)((unsigned char)payload[i] ^ frame.mask[i & 3]);
    ret->opcode = frame.opcode;
    ret->payload = (struct kn_str){payload, (size_t)frame.len};
    ret->size = frame.header + (size_t)frame.len;
    if (frame.opcode == GW_WS_CLOSE)
        return take_close(ret);
    return frame.opcode < GW_WS_CLOSE ? take_data(reader, &frame, ret) : KN_OK;
}

size_t gw_ws_header(char out[static GW_WS_HEADER_MAX], enum gw_ws_opcode opcode, size_t len)
{
    size_t extra = len > 65535 ? 8 : len > 125 ? 2 : 0;
    out[0] = (char)(0x80 | opcode);
    out[1] = (char)(extra == 8 ? 127 : extra ? 126 : len);
    for (size_t i = 0; i < extra; i++)
        out[2 + i] = (char)((uint64_t)len >> (8 * (extra - 1 - i)));
    return 2 + extra;
}

bool gw_ws_accept(struct kn_str key, struct kn_buf *out)
{
    static const struct kn_str magic = {"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36};
    char nonce[32], text[64];
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t n = 0;
    unsigned digest_len = 0;
    if (key.len != 24 || !celery_base64_decode(key, nonce, &n) || n != 16)
        return false;
    memcpy(text, key.ptr, key.len);
    memcpy(text + key.len, magic.ptr, magic.len);
    if (EVP_Digest(text, key.len + magic.len, digest, &digest_len, EVP_sha1(), NULL) != 1)
        return false;
    celery_base64_encode(out, (struct kn_str){(const char *)digest, digest_len});
    return true;
}
