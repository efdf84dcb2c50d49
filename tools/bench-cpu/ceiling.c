// What one core does at most with 128-bit vectors of float32: fused multiply-adds, and multiplications with additions.
#include <immintrin.h>
#include <stdio.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

#define EACH(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9)
#define KEEP asm volatile("" : "+x"(x), "+x"(y))

int main(void) {
  __m128 a[10], x = _mm_set1_ps(0.999f), y = _mm_set1_ps(0.001f);
  for (int i = 0; i < 10; i++) a[i] = _mm_set1_ps(1.0f + i);
  const long turns = 10000000;
  double start = now();
  for (long k = 0; k < turns; k++) {
#define FUSED(i) a[i] = _mm_fmadd_ps(a[i], x, y);
    EACH(FUSED) KEEP;
  }
  double fused = 80.0 * turns / (now() - start) / 1e9;
  // Chains of either kind side by side: what the units can start, not how long one result takes.
  // Times 1, so that nothing decays into slow denormals.
  x = _mm_set1_ps(1.0f);
  start = now();
  for (long k = 0; k < turns; k++) {
#define APART(i) a[i] = i % 2 ? _mm_mul_ps(a[i], x) : _mm_add_ps(a[i], y); asm volatile("" : "+x"(a[i]));
    EACH(APART) KEEP;
  }
  double apart = 40.0 * turns / (now() - start) / 1e9;
  float sum = 0;
  for (int i = 0; i < 10; i++) sum += _mm_cvtss_f32(a[i]);
  printf("%.2f %.2f %g\n", fused, apart, sum);
}
