/* address.c - see address.h. */
#include "rpc/address.h"

#include <assert.h>
#include <stdio.h>

/* Puts `text`, shortened and with odd bytes as '?', in quotes before the
 * reason: a mistyped list is best understood by seeing the part at fault. */
static enum status refuse(char *error, struct slice text, const char *why)
{
    char shown[64];
    size_t n = MIN_OF(text.size, sizeof shown - 4);

    for (size_t i = 0; i < n; i++) {
        uint8_t c = text.data[i];
        shown[i] = c >= ' ' && c < 0x7f ? (char)c : '?';
    }
    memcpy(shown + n, text.size > n ? "..." : "", text.size > n ? 4 : 1);
    snprintf(error, ADDRESS_ERROR_SIZE, "'%s': %s", shown, why);
    return STATUS_INVALID;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static const uint8_t *find(struct slice s, uint8_t c)
{
    return s.size ? memchr(s.data, c, s.size) : NULL;
}

/* NULL when it is well, else what is wrong. */
static const char *check_name(struct slice host)
{
    if (!host.size)
        return "the host is missing";
    for (size_t i = 0; i < host.size; i++) {
        uint8_t c = host.data[i];
        if (!is_digit(c) && !is_letter(c) && c != '-' && c != '.' && c != '_')
            return "the host holds a character that no host name has";
    }
    return NULL;
}

/* Only the alphabet, and a zone behind '%': the resolver knows the rest. */
static const char *check_v6(struct slice host)
{
    const uint8_t *zone = find(host, '%');
    size_t n = zone ? (size_t)(zone - host.data) : host.size;

    if (!host.size)
        return "there is nothing between the brackets";
    if (!find(slice_of(host.data, n), ':'))
        return "brackets are for IPv6 addresses only";
    for (size_t i = 0; i < n; i++) {
        uint8_t c = host.data[i];
        if (!is_hex(c) && c != ':' && c != '.')
            return "this is no IPv6 address";
    }
    if (!zone)
        return NULL;
    if (check_name(slice_of(zone + 1, host.size - n - 1)))
        return "the zone behind '%' is malformed";
    return NULL;
}

static const char *read_port(struct slice digits, uint16_t *port)
{
    uint32_t value = 0;

    if (!digits.size)
        return "the port behind ':' is missing";
    for (size_t i = 0; i < digits.size; i++) {
        if (!is_digit(digits.data[i]))
            return "the port is not a number";
        value = value * 10 + (digits.data[i] - '0');
        if (value > 65535)
            return "the port is above 65535";
    }
    *port = (uint16_t)value;
    return NULL;
}

/* Splits into host and what follows it, which is empty or begins with ':'. */
static const char *split(struct slice text, struct slice *host,
                         struct slice *rest)
{
    const uint8_t *end = text.data + text.size;
    const uint8_t *at;

    if (text.data[0] == '[') {
        at = find(text, ']');
        if (!at)
            return "the bracket '[' is not closed";
        *host = slice_of(text.data + 1, (size_t)(at - text.data) - 1);
        *rest = slice_of(at + 1, (size_t)(end - at) - 1);
        if (rest->size && rest->data[0] != ':')
            return "only ':' and a port may follow the bracket ']'";
        return check_v6(*host);
    }
    at = find(text, ':');
    if (!at)
        at = end;
    *host = slice_of(text.data, (size_t)(at - text.data));
    *rest = slice_of(at, (size_t)(end - at));
    if (rest->size && find(slice_of(at + 1, rest->size - 1), ':'))
        return "an IPv6 address must stand in brackets: [::1]:7410";
    return check_name(*host);
}

enum status address_parse(struct slice text, uint16_t port_default,
                          struct address *out, char *error)
{
    uint16_t port = port_default;
    struct slice host, rest;
    const char *why;

    if (!text.size)
        return refuse(error, text, "the address is empty");
    why = split(text, &host, &rest);
    if (!why && rest.size)
        why = read_port(slice_of(rest.data + 1, rest.size - 1), &port);
    if (!why && !rest.size && !port_default)
        why = "the port is missing: write host:port";
    /* Two brackets, a colon and five digits must fit in behind. */
    if (!why && host.size > ADDRESS_MAX - 8)
        why = "the host is too long";
    if (why)
        return refuse(error, text, why);
    *out = (struct address){.port = port};
    memcpy(out->host, host.data, host.size);
    return STATUS_OK;
}

static struct slice trim(struct slice s)
{
    while (s.size && s.data[0] == ' ')
        s = slice_of(s.data + 1, s.size - 1);
    while (s.size && s.data[s.size - 1] == ' ')
        s.size--;
    return s;
}

enum status address_parse_list(struct slice text, uint16_t port_default,
                               struct address *out, unsigned max, unsigned *n,
                               char *error)
{
    struct slice left = text;
    unsigned count = 0;
    bool more = true;

    while (more) {
        const uint8_t *comma = find(left, ',');
        size_t size = comma ? (size_t)(comma - left.data) : left.size;
        struct slice one = trim(slice_of(left.data, size));
        enum status s;

        if (count == max)
            return refuse(error, text, "there are too many addresses");
        s = address_parse(one, port_default, &out[count], error);
        if (s != STATUS_OK)
            return s;
        for (unsigned i = 0; i < count; i++) {
            if (address_equal(&out[i], &out[count]))
                return refuse(error, one, "the address is there twice");
        }
        count++;
        more = comma != NULL;
        if (more)
            left = slice_of(comma + 1, left.size - size - 1);
    }
    *n = count;
    return STATUS_OK;
}

void address_format(const struct address *a, char *text)
{
    bool v6 = strchr(a->host, ':') != NULL;
    int n = snprintf(text, ADDRESS_MAX + 1, v6 ? "[%s]:%u" : "%s:%u", a->host,
                     a->port);

    assert(n > 0 && n <= ADDRESS_MAX);
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->port == b->port && !strcmp(a->host, b->host);
}
