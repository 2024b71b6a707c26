/* Which CPU a thread runs on. */
#ifndef BPI_KERNEL_AFFINITY_H
#define BPI_KERNEL_AFFINITY_H

/* Returns the number of the CPU that the calling thread is on; -1 where that cannot be told. */
int bpi_current_cpu(void);
/* Moves the calling thread to another CPU, if it is on this one and may run on others. Which ones
 * it may run on stays as it was. */
void bpi_leave_cpu(int cpu);

#endif
