/* For suites of optimizers: a loss, its steps, and configurations of Adam. */
#ifndef OPTIM_FIXTURE_H
#define OPTIM_FIXTURE_H

#include "fixture.h"

static bp_tensor *loss;

static inline void step(bp_optimizer *optimizer) {
    bp_status status = bp_step(optimizer, loss);
    ck_assert_msg(status == BP_OK, "%s", bp_error(graph));
}

static const bp_adam_config adam_configs[] = {
    {0.1, 0.9, 0.999, 1e-8, 0},
    {0.1, 0.9, 0.999, 1e-8, 0.2},
    {0.3, 0.5, 0.9, 0.1, 0},
    {0.3, 0, 0, 1e-3, 0.05},
};
enum { ADAM_CONFIGS = sizeof adam_configs / sizeof adam_configs[0] };

#endif
