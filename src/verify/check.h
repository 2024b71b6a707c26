/* The check of an op, as the tests of the checker itself need it. */
#ifndef BPI_CHECK_H
#define BPI_CHECK_H

#include <backprop/verify.h>

/* As bp_check_op; `digest` receives a hash of the bits of all analytic gradients that were
 * compared. Two passing checks of an op with the same digest saw the same gradients. */
bp_status bpi_check_op(const bp_op *op, const bp_check_config *config, bp_check_report *report,
                       uint64_t *digest);

#endif
