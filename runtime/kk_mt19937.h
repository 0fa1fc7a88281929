/* The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), as NumPy's legacy generator seeds it and draws from it. */
#ifndef KK_MT19937_H
#define KK_MT19937_H

#include "kk_threads.h"

#include <stdint.h>

#define KK_MT19937_WORDS 624 /* the length of the state */

/* Writes `count` draws from the uniform distribution over [0, 1) to `draws`, of 53 bits each: what numpy.random.seed(seed) and
   then numpy.random.uniform give, bit for bit. Of the seed the lower 32 bits count. `state` is room for KK_MT19937_WORDS words. Each
   number follows from those before, so that the first thread draws all; a barrier is the caller's. */
void kk_mt19937_uniform(const kk_thread *t, double *draws, uint32_t *state, int64_t count, int64_t seed);

#endif
