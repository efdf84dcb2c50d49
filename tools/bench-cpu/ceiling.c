// What threads do at most with 128-bit vectors of float32, all at once: fused multiply-adds, and multiplications with additions.
// Virtual processors may share a core: then two threads have hardly more than one.
#include <immintrin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
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

static const long turns = 5000000;
static int mostThreads = 1;
static pthread_barrier_t together;
static double fused, apart;

// KEEP hides each sum from the compiler, which would find them equal and keep one.
static float fuse(void) {
  __m128 x = _mm_set1_ps(0.999f), y = _mm_set1_ps(0.001f);
  EACH(SET)
  for (long k = 0; k < turns; k++) {
    EACH(FUSED) KEEP(x) KEEP(y) EACH(KEEP)
  }
  float sum = 0;
  EACH(SUM)
  return sum;
}

// Chains of either kind side by side: what the units can start, not how long one result takes. Times 1, so that nothing decays into
// slow denormals.
static float multiplyAndAdd(void) {
  __m128 x = _mm_set1_ps(1.0f), y = _mm_set1_ps(0.001f);
  EACH(SET)
  for (long k = 0; k < turns; k++) {
    ODD(TIMES) EVEN(PLUS) KEEP(x) KEEP(y) EACH(KEEP)
  }
  float sum = 0;
  EACH(SUM)
  return sum;
}

/** Seconds that all threads together take for one loop. */
static double timeTogether(float (*loop)(void)) {
  pthread_barrier_wait(&together);
  double start = now();
  volatile float sum = loop();
  (void)sum;
  pthread_barrier_wait(&together);
  return now() - start;
}

static void *work(void *first) {
  double fusedSeconds = timeTogether(fuse), apartSeconds = timeTogether(multiplyAndAdd);
  if (first) {
    fused = 80.0 * turns * mostThreads / fusedSeconds / 1e9;
    apart = 40.0 * turns * mostThreads / apartSeconds / 1e9;
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc > 1) mostThreads = atoi(argv[1]);
  pthread_t others[64];
  if (mostThreads < 1 || mostThreads > 64) return 2;
  pthread_barrier_init(&together, NULL, mostThreads);
  for (int i = 1; i < mostThreads; i++) {
    if (pthread_create(&others[i], NULL, work, NULL)) return 1;
  }
  work(&together);
  for (int i = 1; i < mostThreads; i++) pthread_join(others[i], NULL);
  printf("%.2f %.2f\n", fused, apart);
}
