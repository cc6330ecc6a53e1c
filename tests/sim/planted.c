/* planted.c - see tests/sim/planted.h and proto/base/planted.h. */
#include "tests/sim/planted.h"

#include <string.h>

#include "proto/base/planted.h"

static const struct {
    const char *name, *text;
} plants[] = {
#define X(name, text) {#name, text},
    PLANT_LIST(X)
#undef X
};

#ifdef COAT_PLANT
enum planted coat_planted;
#endif

bool planted_at(unsigned i, const char **name, const char **text)
{
    if (i >= sizeof plants / sizeof plants[0])
        return false;
    *name = plants[i].name;
    *text = plants[i].text;
    return true;
}

bool planted_set(const char *name)
{
    const char *known, *text;

    (void)text;
    for (unsigned i = 0; *name; i++) {
        if (!planted_at(i, &known, &text))
            return false;
        if (strcmp(known, name))
            continue;
#ifdef COAT_PLANT
        coat_planted = (enum planted)(i + 1);
        return true;
#else
        return false;
#endif
    }
#ifdef COAT_PLANT
    coat_planted = PLANT_NONE;
#endif
    return true;
}
