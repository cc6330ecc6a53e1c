/* types.c - see types.h. */
#include "rpc/types.h"

const char *message_name(uint16_t type)
{
    switch (type) {
#define X(name, number, kind)                                                  \
    case number:                                                               \
        return #name;
        MESSAGE_LIST(X)
#undef X
    }
    return "UNLISTED";
}

bool message_fits(uint16_t type, uint8_t kind)
{
    switch (type) {
#define X(name, number, its_kind)                                              \
    case number:                                                               \
        return kind == FRAME_##its_kind;
        MESSAGE_LIST(X)
#undef X
    }
    return false;
}
