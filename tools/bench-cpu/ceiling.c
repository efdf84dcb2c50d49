// What one core does at most with 128-bit vectors of float32: fused multiply-adds, and multiplications with additions.
#include <immintrin.h>
#include <stdio.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

#define EACH(F) F(a0) F(a1) F(a2) F(a3) F(a4) F(a5) F(a6) F(a7) F(a8) F(a9)
#define ODD(F) F(a1) F(a3) F(a5) F(a7) F(a9)
#define EVEN(F) F(a0) F(a2) F(a4) F(a6) F(a8)
#define KEEP(v) asm volatile("" : "+x"(v));
#define FUSED(v) v = _mm_fmadd_ps(v, x, y);
#define TIMES(v) v = _mm_mul_ps(v, x);
#define PLUS(v) v = _mm_add_ps(v, y);
#define SET(v) __m128 v = _mm_set1_ps(1.5f);
#define SUM(v) sum += _mm_cvtss_f32(v);

int main(void) {
  __m128 x = _mm_set1_ps(0.999f), y = _mm_set1_ps(0.001f);
  EACH(SET)
  const long turns = 10000000;
  double start = now();
  for (long k = 0; k < turns; k++) {
    EACH(FUSED) KEEP(x) KEEP(y)
  }
  double fused = 80.0 * turns / (now() - start) / 1e9;
  // Chains of either kind side by side: what the units can start, not how long one result takes. Times 1, so that nothing decays
  // into slow denormals.
  x = _mm_set1_ps(1.0f);
  start = now();
  for (long k = 0; k < turns; k++) {
    ODD(TIMES) EVEN(PLUS) KEEP(x) KEEP(y) EACH(KEEP)
  }
  double apart = 40.0 * turns / (now() - start) / 1e9;
  float sum = 0;
  EACH(SUM)
  printf("%.2f %.2f %g\n", fused, apart, sum);
}
