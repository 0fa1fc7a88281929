/* Uniform numbers from the Mersenne Twister MT19937. */
#include "kk_prefix.h"

#include "kk_mt19937.h"

#define KK_MT19937_SHIFT 397 /* m in the paper's recurrence */

/* Knuth's linear congruential initialisation (The Art of Computer Programming, volume 2, third edition, page 106). */
static void kk_mt19937_seed(uint32_t *state, uint32_t seed)
{
    state[0] = seed;
    for (uint32_t i = 1; i < KK_MT19937_WORDS; i++)
        state[i] = 1812433253U * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
}

/* The next generation of the whole state, in place: word i follows from words i, i + 1 and i + m of the cycle. */
static void kk_mt19937_step(uint32_t *state)
{
    for (int i = 0; i < KK_MT19937_WORDS; i++) {
        const uint32_t next = state[(i + 1) % KK_MT19937_WORDS];
        const uint32_t joined = (state[i] & 0x80000000U) | (next & 0x7fffffffU);
        state[i] = state[(i + KK_MT19937_SHIFT) % KK_MT19937_WORDS] ^ (joined >> 1) ^ ((joined & 1U) ? 0x9908b0dfU : 0U);
    }
}

static uint32_t kk_mt19937_temper(uint32_t word)
{
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c5680U;
    word ^= (word << 15) & 0xefc60000U;
    return word ^ (word >> 18);
}

void kk_mt19937_uniform(const kk_thread *t, double *draws, uint32_t *state, int64_t count, int64_t seed)
{
    int place = KK_MT19937_WORDS;
    if (t->index != 0)
        return;
    kk_mt19937_seed(state, (uint32_t)((uint64_t)seed & 0xffffffffU));
    for (int64_t i = 0; i < count; i++, place += 2) { /* two words a draw: the state's length is even */
        if (place == KK_MT19937_WORDS) {
            kk_mt19937_step(state);
            place = 0;
        }
        const uint32_t high = kk_mt19937_temper(state[place]) >> 5, low = kk_mt19937_temper(state[place + 1]) >> 6;
        draws[i] = ((double)high * 67108864.0 + (double)low) / 9007199254740992.0;
    }
}
