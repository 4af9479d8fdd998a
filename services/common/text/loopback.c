#include "services/common/text/loopback.h"

#include <arpa/inet.h>

bool kn_host_is_loopback(struct kn_str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = (struct kn_str){host.ptr + 1, host.len - 2};
    if (kn_str_eq(host, KN_STR("localhost")))
        return true;
    if (host.len == 0 || host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    if (inet_pton(AF_INET, text, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool kn_address_is_loopback(struct kn_str address)
{
    size_t len = address.len;
    while (len > 0 && address.ptr[len - 1] != ':')
        len--;
    return len > 0 && kn_host_is_loopback((struct kn_str){address.ptr, len - 1});
}
