// OpenBLAS's sgemm at one shape: m n k transposeA transposeB seconds -> GFLOP/s, the median of its runs.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void cblas_sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static int order(const void *x, const void *y) {
  double d = *(const double *)x - *(const double *)y;
  return d < 0 ? -1 : d > 0;
}

int main(int argc, char **argv) {
  (void)argc;
  int m = atoi(argv[1]), n = atoi(argv[2]), k = atoi(argv[3]), ta = atoi(argv[4]), tb = atoi(argv[5]);
  double seconds = atof(argv[6]), times[10000];
  float *a = malloc(4l * m * k), *b = malloc(4l * k * n), *c = malloc(4l * m * n);
  for (long i = 0; i < (long)m * k; i++) a[i] = (float)(i % 7) - 3;
  for (long i = 0; i < (long)k * n; i++) b[i] = (float)(i % 5) - 2;
  int count = 0;
  for (double end = now() + seconds; count < 3 || (now() < end && count < 10000); count++) {
    double start = now();
    cblas_sgemm(101, ta ? 112 : 111, tb ? 112 : 111, m, n, k, 1, a, ta ? m : k, b, tb ? k : n, 0, c, n);
    times[count] = now() - start;
  }
  qsort(times, count, sizeof(double), order);
  printf("%.2f %g\n", 2.0 * m * n * k / times[count / 2] / 1e9, c[0]);
}
