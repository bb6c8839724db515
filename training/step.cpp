// One training step's loss and gradients for `carafe-luma`, on collapsed weights, NHWC, valid convolutions.
//   f = lrelu(head(y)); h = f; h = lrelu(body_i(h)) + f; out = sum over groups of carafe(maps(h), softmax(encode(h)))
//   loss = mean over the batch of |out - target| (loss 0) or (out - target)^2 (loss 1)
// LANES = groups * scale^2: one lane per (group, sub-pixel). The caller expands the maps weights to LANES outputs and
// orders the encoder's as [tap][group][sub-pixel], so reassembly and softmax are plain vector code over the lanes.
// Schedule: direct convolution, 6 pixels x 16 output channels in registers (12 of 16 ymm), as the same kernel for
// forward and for the input's gradient (zero-padded, flipped weights); the weights' gradient holds 6 input x 16
// output channels in registers along a row. Gradients are kept per sample and added in order: the sum does not
// depend on the number of threads. Checked against torch autograd by `train.py --smoke`.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#ifndef CHANNELS
#define CHANNELS 16
#endif
#ifndef BODY
#define BODY 5
#endif
#ifndef GROUPS
#define GROUPS 4
#endif
#ifndef KUP
#define KUP 3
#endif
#ifndef SCALE
#define SCALE 2
#endif

namespace {
typedef float V __attribute__((vector_size(32)));
typedef int VI __attribute__((vector_size(32)));
constexpr int C = CHANNELS, SUB = SCALE * SCALE, L = GROUPS * SUB, TAPS = KUP * KUP, E = TAPS * L;
constexpr int HALO = BODY + 2 + KUP / 2, LV = L / 8;
static_assert(C % 8 == 0 && L % 8 == 0, "channels and groups * scale^2 must be multiples of 8");

inline V load(const float* p) { V v; memcpy(&v, p, 32); return v; }
inline void store(float* p, V v) { memcpy(p, &v, 32); }
inline V splat(float x) { return V{x, x, x, x, x, x, x, x}; }

// exp by 2^k * polynomial; relative error < 3e-7 on the arguments softmax gives (<= 0).
inline V vexp(V x) {
  x = x < splat(-87.f) ? splat(-87.f) : x;
  V t = x * splat(1.44269504f);
  V k = (t + splat(12582912.f)) - splat(12582912.f);
  V r = x - k * splat(0.693359375f) + k * splat(2.12194440e-4f);
  V p = splat(1.9875691500e-4f);
  for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) p = p * r + splat(c);
  p = p * r * r + r + splat(1.f);
  VI bits = (__builtin_convertvector(k, VI) + 127) << 23;
  V power; memcpy(&power, &bits, 32);
  return p * power;
}

// out[ho][wo][CO] (+)= bias + sum w[K*K][CI][CO] * in[ho+K-1][wo+K-1][CI]; optionally leaky ReLU.
template <int CI, int CO, int K, int VB, int PX>
void conv_block(const float* in, int wi, float* out, const float* w, const float* bias, int oy, int ox, int wo, int co, float slope) {
  V acc[PX][VB];
  for (int j = 0; j < PX; j++)
    for (int v = 0; v < VB; v++) acc[j][v] = bias ? load(bias + co + 8 * v) : splat(0);
  for (int ky = 0; ky < K; ky++)
    for (int kx = 0; kx < K; kx++) {
      const float* ip = in + ((oy + ky) * wi + ox + kx) * CI;
      const float* wp = w + (ky * K + kx) * CI * CO + co;
      for (int ci = 0; ci < CI; ci++, wp += CO) {
        V wv[VB];
        for (int v = 0; v < VB; v++) wv[v] = load(wp + 8 * v);
#pragma GCC unroll 8
        for (int j = 0; j < PX; j++) {
          V x = splat(ip[j * CI + ci]);
          for (int v = 0; v < VB; v++) acc[j][v] += x * wv[v];
        }
      }
    }
  for (int j = 0; j < PX; j++)
    for (int v = 0; v < VB; v++) {
      V a = acc[j][v];
      if (slope != 1.f) a = a > splat(0) ? a : a * slope;
      store(out + (oy * wo + ox + j) * CO + co + 8 * v, a);
    }
}
template <int CI, int CO, int K>
void conv(const float* in, int wi, float* out, int ho, int wo, const float* w, const float* bias, float slope) {
  constexpr int VB = CO % 24 == 0 ? 3 : CO % 16 == 0 ? 2 : 1, PX = 12 / VB;
  for (int oy = 0; oy < ho; oy++)
    for (int ox = 0; ox < wo; ox += PX) {
      int at = std::min(ox, wo - PX);  // the last block overlaps
      for (int co = 0; co < CO; co += 8 * VB) conv_block<CI, CO, K, VB, PX>(in, wi, out, w, bias, oy, at, wo, co, slope);
    }
}

// dw[K*K][CI][CO] += sum in * dout. dout has row stride ws and starts at its first inner pixel.
template <int CI, int CO, int K, int CB, int VB>
void wgrad_row(const float* in, const float* dout, int wo, float* dw) {
  V acc[CB][VB];
  for (int i = 0; i < CB; i++)
    for (int v = 0; v < VB; v++) acc[i][v] = load(dw + i * CO + 8 * v);
  for (int x = 0; x < wo; x++) {
    V d[VB];
    for (int v = 0; v < VB; v++) d[v] = load(dout + x * CO + 8 * v);
#pragma GCC unroll 8
    for (int i = 0; i < CB; i++) {
      V a = splat(in[x * CI + i]);
      for (int v = 0; v < VB; v++) acc[i][v] += a * d[v];
    }
  }
  for (int i = 0; i < CB; i++)
    for (int v = 0; v < VB; v++) store(dw + i * CO + 8 * v, acc[i][v]);
}
template <int CI, int CO, int K>
void wgrad(const float* in, int wi, const float* dout, int ws, int ho, int wo, float* dw, float* db) {
  constexpr int VB = CO % 16 == 0 ? 2 : 1;
  for (int oy = 0; oy < ho; oy++)
    for (int co = 0; co < CO; co += 8 * VB) {
      const float* d = dout + oy * ws * CO + co;
      for (int x = 0; x < wo; x++)
        for (int v = 0; v < VB; v++) store(db + co + 8 * v, load(db + co + 8 * v) + load(d + x * CO + 8 * v));
      for (int ky = 0; ky < K; ky++)
        for (int kx = 0; kx < K; kx++) {
          const float* ip = in + ((oy + ky) * wi + kx) * CI;
          float* wp = dw + (ky * K + kx) * CI * CO + co;
          int ci = 0;
          for (; ci + 6 <= CI; ci += 6) wgrad_row<CI, CO, K, 6, VB>(ip + ci, d, wo, wp + ci * CO);
          for (; ci + 4 <= CI; ci += 4) wgrad_row<CI, CO, K, 4, VB>(ip + ci, d, wo, wp + ci * CO);
          for (; ci < CI; ci++) wgrad_row<CI, CO, K, 1, VB>(ip + ci, d, wo, wp + ci * CO);
        }
    }
}

// [K*K][CI][CO] -> flipped and transposed [K*K][CO][CI]
template <int CI, int CO, int K> void flip(const float* w, float* t) {
  for (int k = 0; k < K * K; k++)
    for (int ci = 0; ci < CI; ci++)
      for (int co = 0; co < CO; co++) t[((K * K - 1 - k) * CO + co) * CI + ci] = w[(k * CI + ci) * CO + co];
}

// Offsets in the flat weights and gradients, all [K*K][CI][CO] then bias.
constexpr int HEAD_W = 0, HEAD_B = 9 * C, BODY0 = HEAD_B + C, BODY_N = 9 * C * C + C;
constexpr int MAPS_W = BODY0 + BODY * BODY_N, MAPS_B = MAPS_W + 9 * C * L, ENC_W = MAPS_B + L, ENC_B = ENC_W + C * E, TOTAL = ENC_B + E;

struct Flipped { float body[BODY][9 * C * C], maps[9 * C * L], encode[C * E]; };

struct Sample {
  int p;  // LR patch side with halo
  std::vector<float> f, a[BODY], h[BODY], maps, logits, dlogits, dmaps, dh, denc, pad, df;
  explicit Sample(int p) : p(p) {
    int n = p - 2 * HALO;
    f.resize((p - 2) * (p - 2) * C);
    for (int i = 0; i < BODY; i++) { int q = p - 4 - 2 * i; a[i].resize(q * q * C); h[i].resize(q * q * C); }
    int q = n + 2 * (KUP / 2);
    maps.resize(q * q * L); dmaps.resize((q + 4) * (q + 4) * L);
    logits.resize(n * n * E); dlogits.resize(n * n * E); denc.resize(n * n * C);
    df.resize((p - 2) * (p - 2) * C); dh.resize((p - 2) * (p - 2) * C); pad.resize((p + 2) * (p + 2) * C);
  }

  double run(const float* y, const float* target, const float* w, const Flipped& t, float slope, int kind, float gscale, float* g) {
    const int n = p - 2 * HALO, pf = p - 2, r = KUP / 2, pm = n + 2 * r, ph = pm + 2;
    memset(g, 0, TOTAL * 4);
    conv<1, C, 3>(y, p, f.data(), pf, pf, w + HEAD_W, w + HEAD_B, slope);
    const float* in = f.data();
    for (int i = 0; i < BODY; i++) {
      int q = p - 4 - 2 * i;
      const float* bw = w + BODY0 + i * BODY_N;
      conv<C, C, 3>(in, q + 2, a[i].data(), q, q, bw, bw + 9 * C * C, slope);
      for (int yy = 0; yy < q; yy++) {
        const float* fr = f.data() + ((yy + i + 1) * pf + i + 1) * C;
        for (int x = 0; x < q * C; x++) h[i][yy * q * C + x] = a[i][yy * q * C + x] + fr[x];
      }
      in = h[i].data();
    }
    conv<C, L, 3>(in, ph, maps.data(), pm, pm, w + MAPS_W, w + MAPS_B, 1.f);
    const int inner = 1 + r;
    for (int yy = 0; yy < n; yy++)
      conv<C, E, 1>(in + ((yy + inner) * ph + inner) * C, n, logits.data() + yy * n * E, 1, n, w + ENC_W, w + ENC_B, 1.f);

    // softmax, reassembly, loss and their gradients, a pixel at a time
    std::fill(dmaps.begin(), dmaps.end(), 0.f);
    const int pd = pm + 4;
    double loss = 0;
    for (int oy = 0; oy < n; oy++)
      for (int ox = 0; ox < n; ox++) {
        float* e = logits.data() + (oy * n + ox) * E;
        float* de = dlogits.data() + (oy * n + ox) * E;
        float lanes[L], grad[L];
        for (int v = 0; v < LV; v++) {
          V top = load(e + 8 * v);
          for (int k = 1; k < TAPS; k++) { V x = load(e + k * L + 8 * v); top = x > top ? x : top; }
          V sum = splat(0), o = splat(0);
          for (int ky = 0; ky < KUP; ky++)
            for (int kx = 0; kx < KUP; kx++) {
              int k = ky * KUP + kx;
              V x = vexp(load(e + k * L + 8 * v) - top);
              store(e + k * L + 8 * v, x);
              sum += x;
              o += x * load(maps.data() + ((oy + ky) * pm + ox + kx) * L + 8 * v);
            }
          V inverse = splat(1.f) / sum;
          for (int k = 0; k < TAPS; k++) store(e + k * L + 8 * v, load(e + k * L + 8 * v) * inverse);
          store(lanes + 8 * v, o * inverse);
        }
        for (int s = 0; s < SUB; s++) {
          float o = 0;
          for (int gg = 0; gg < GROUPS; gg++) o += lanes[gg * SUB + s];
          float d = o - target[((oy * SCALE + s / SCALE) * n + ox) * SCALE + s % SCALE];
          loss += kind ? (double)d * d : std::fabs(d);
          float dd = kind ? 2 * d * gscale : d > 0 ? gscale : d < 0 ? -gscale : 0.f;
          for (int gg = 0; gg < GROUPS; gg++) grad[gg * SUB + s] = dd;
        }
        for (int v = 0; v < LV; v++) {
          V o = load(lanes + 8 * v), d = load(grad + 8 * v);
          for (int ky = 0; ky < KUP; ky++)
            for (int kx = 0; kx < KUP; kx++) {
              int k = ky * KUP + kx;
              V kd = load(e + k * L + 8 * v) * d;
              V m = load(maps.data() + ((oy + ky) * pm + ox + kx) * L + 8 * v);
              store(de + k * L + 8 * v, kd * (m - o));
              float* dm = dmaps.data() + ((oy + ky + 2) * pd + ox + kx + 2) * L + 8 * v;
              store(dm, load(dm) + kd);
            }
        }
      }

    // encoder and maps, back into dh of the last body output [ph][ph]
    wgrad<C, L, 3>(in, ph, dmaps.data() + (2 * pd + 2) * L, pd, pm, pm, g + MAPS_W, g + MAPS_B);
    conv<L, C, 3>(dmaps.data(), pd, dh.data(), ph, ph, t.maps, nullptr, 1.f);
    for (int yy = 0; yy < n; yy++)
      wgrad<C, E, 1>(in + ((yy + inner) * ph + inner) * C, n, dlogits.data() + yy * n * E, n, 1, n, g + ENC_W, g + ENC_B);
    conv<E, C, 1>(dlogits.data(), n, denc.data(), n, n, t.encode, nullptr, 1.f);
    for (int yy = 0; yy < n; yy++)
      for (int x = 0; x < n * C; x++) dh[((yy + inner) * ph + inner) * C + x] += denc[yy * n * C + x];

    std::fill(df.begin(), df.end(), 0.f);
    for (int i = BODY - 1; i >= 0; i--) {
      int q = p - 4 - 2 * i, pp = q + 4;  // dh is [q][q]; pad it by 2 while applying the activation's slope
      std::fill(pad.begin(), pad.begin() + pp * pp * C, 0.f);
      for (int yy = 0; yy < q; yy++) {
        const float* ar = a[i].data() + yy * q * C;
        const float* dr = dh.data() + yy * q * C;
        float* pr = pad.data() + ((yy + 2) * pp + 2) * C;
        float* fr = df.data() + ((yy + i + 1) * pf + i + 1) * C;
        for (int x = 0; x < q * C; x++) { fr[x] += dr[x]; pr[x] = ar[x] > 0 ? dr[x] : dr[x] * slope; }
      }
      float* gw = g + BODY0 + i * BODY_N;
      wgrad<C, C, 3>(i ? h[i - 1].data() : f.data(), q + 2, pad.data() + (2 * pp + 2) * C, pp, q, q, gw, gw + 9 * C * C);
      conv<C, C, 3>(pad.data(), pp, dh.data(), q + 2, q + 2, t.body[i], nullptr, 1.f);
    }
    for (int x = 0; x < pf * pf * C; x++) { float d = df[x] + dh[x]; df[x] = f[x] > 0 ? d : d * slope; }
    wgrad<1, C, 3>(y, p, df.data(), pf, pf, pf, g + HEAD_W, g + HEAD_B);
    return loss;
  }
};
}  // namespace

extern "C" {
int step_total() { return TOTAL; }
int step_halo() { return HALO; }

// y [batch][p][p], target [batch][(p-2 HALO)*SCALE]^2, w [TOTAL]; grad [TOTAL] is written; returns the mean loss.
double step_run(const float* y, const float* target, int batch, int p, const float* w, float slope, int kind, int threads, float* grad) {
  static thread_local std::vector<Sample> pool;
  while ((int)pool.size() < threads || pool[0].p != p) { if (!pool.empty() && pool[0].p != p) pool.clear(); pool.emplace_back(p); }
  const int side = (p - 2 * HALO) * SCALE;
  const double count = (double)batch * side * side;
  static Flipped t;
  for (int i = 0; i < BODY; i++) flip<C, C, 3>(w + BODY0 + i * BODY_N, t.body[i]);
  flip<C, L, 3>(w + MAPS_W, t.maps);
  flip<C, E, 1>(w + ENC_W, t.encode);
  static std::vector<float> grads;
  grads.resize((size_t)batch * TOTAL);
  std::vector<double> losses(batch);
  Sample* samples = pool.data();
  auto work = [&](int thread) {
    for (int b = thread; b < batch; b += threads)
      losses[b] = samples[thread].run(y + (size_t)b * p * p, target + (size_t)b * side * side, w, t, slope, kind, (float)(1 / count), grads.data() + (size_t)b * TOTAL);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; i++) others.emplace_back(work, i);
  work(0);
  for (auto& other : others) other.join();
  double loss = 0;
  std::fill(grad, grad + TOTAL, 0.f);
  for (int b = 0; b < batch; b++) {
    loss += losses[b];
    for (int i = 0; i < TOTAL; i++) grad[i] += grads[(size_t)b * TOTAL + i];
  }
  return loss / count;
}
}
