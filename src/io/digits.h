/* The pixels behind bp_digits. */
#ifndef BPI_DIGITS_H
#define BPI_DIGITS_H

enum { BPI_DIGITS_COUNT = 1797, BPI_DIGITS_SIDE = 8, BPI_DIGITS_LEVELS = 16 };

/* A digit a line: its label, then 64 pixels row by row, each one character: '0'..'9', 'a'..'g' for
 * 0..16, background to ink. */
extern const char bpi_digits_table[BPI_DIGITS_COUNT][2 + BPI_DIGITS_SIDE * BPI_DIGITS_SIDE];

#endif
