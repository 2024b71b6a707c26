/* The floor as a competitor, in both precisions; see floor.c. */
#include "protocol.h"

#include <stddef.h>

extern const competitor floor_f32, floor_f64;

/* A net this small has no floor worth the name: there a call costs more than its product. */
static const competitor *choose(const problem *p) {
    if (p->size[0] * p->size[1] < 64)
        return NULL;
    return p->f64 ? &floor_f64 : &floor_f32;
}

int main(int argc, char **argv) { return protocol_serve(argc, argv, choose); }
