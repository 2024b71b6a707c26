/* The short form of chains and products of a few vectors: what a run would look up and work out is
 * resolved when the operands are pointed at their memory, so that running is a list of calls. */
#ifndef BPI_PLAN_SHORT_H
#define BPI_PLAN_SHORT_H

#include "chain.h"
#include "inside.h"
#include "kernel/short.h"
#include "product.h"

/* Make `to`, an instruction that runs a chain or product, one that runs its short form where it has
 * one; otherwise it stays as it is. `*room` becomes at least the bytes that it needs in a run. */
bool bpi_short_chain_emit(bpi_program *program, const bpi_step *step, bpi_instruction *to,
                          size_t *room); /* false without memory */
void bpi_short_product_emit(const bpi_program *program, const bpi_step *step, bpi_instruction *to,
                            size_t *room);
/* Resolve the addresses of one, if it has a short form. `room` is aligned to 64. */
void bpi_short_chain_point(const bpi_instruction *code, char *room);
void bpi_short_product_point(bpi_plan_product *product, char *room);
/* Tells whether an instruction runs the short form of a chain. */
bool bpi_is_short_chain(const bpi_instruction *code);
/* How many flows (below) it has. */
int bpi_short_chain_flows(const bpi_instruction *code);
/* Where the instruction of a chain keeps the address of operand `k`. */
const void **bpi_short_chain_operand(const bpi_instruction *code, int k);

/* Ops of a short chain that run in registers (short_flow.c). */
typedef struct bpi_short_flow bpi_short_flow;
/* Makes a flow of the ops from `first` on, as many as can be one: *flow is NULL where that is not
 * several. An op with scalar[k] >= 0 is part of none. False without memory. */
bool bpi_short_flow_of(const bpi_chain *chain, const bpi_short *kernels, const int8_t *scalar,
                       int first, bpi_arena *memory, bpi_short_flow **flow);
int bpi_short_flow_ops(const bpi_short_flow *flow);
/* Returns the steps, with places: `at` is where every value of the chain is. */
const bpi_short_step *bpi_short_flow_point(const bpi_short_flow *flow, void *const *at);

/* How many elements an elementwise step is given: those of whole vectors, where there is room. */
size_t bpi_short_count(const bpi_program *program, const bpi_step *step);
/* The elements of the vectors that hold `count`. */
size_t bpi_short_vectors(const bpi_short *kernels, bp_dtype dtype, size_t count);

#endif
