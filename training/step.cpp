// One training step's loss and gradients for `carafe-luma`, on collapsed weights, NHWC, valid convolutions.
//   f = lrelu(head(y)); h = f; h = lrelu(body_i(h)) + h; out = sum over groups of carafe(maps(h), softmax(encode(h)))
//   loss = mean over the batch of |out - target| (loss 0), of (out - target)^2 (1), or of log(a sample's mean of (out - target)^2 + LOG_OFFSET) (2)
// One lane per (group, sub-pixel), padded to whole vectors: the encoder's outputs are [tap][lane], and the maps are
// repeated per sub-pixel, so reassembly and softmax are plain vector code over the lanes.
// Schedule: direct convolution, up to 28 accumulators of pixels x output channels in registers (12 without AVX-512),
// as the same kernel for forward and for the input's gradient (zero-padded, flipped weights); the weights' gradient
// holds input x output channels in registers along a row. Gradients are kept per sample and added in order: the sum
// does not depend on the number of threads. Checked against torch autograd by `train.py --smoke`.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>
#include <utility>
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
#ifdef __AVX512F__
constexpr int WIDTH = CHANNELS % 16 ? 8 : 16, REGISTERS = 28;
#else
constexpr int WIDTH = 8, REGISTERS = 12;
#endif
typedef float V __attribute__((vector_size(WIDTH * 4)));
typedef int VI __attribute__((vector_size(WIDTH * 4)));
constexpr int whole(int n) { return (n + WIDTH - 1) / WIDTH * WIDTH; }
constexpr int C = CHANNELS, SUB = SCALE * SCALE, TAPS = KUP * KUP, HALO = BODY + 2 + KUP / 2;
constexpr int LANES = GROUPS * SUB, L = whole(LANES), LV = L / WIDTH, E = TAPS * L;
#ifdef OWN_MAPS  // the upsamplers that CARAFE is compared with: a map for each sub-pixel instead of one for each group
constexpr int SHARE = 1;
#else
constexpr int SHARE = SUB;
#endif
constexpr int M = whole(LANES / SHARE);  // maps
static_assert(C % 8 == 0, "channels must be a multiple of 8");

inline V load(const float* p) { V v; memcpy(&v, p, sizeof v); return v; }
inline void store(float* p, V v) { memcpy(p, &v, sizeof v); }
inline V splat(float x) { return x - V{}; }

struct Buffer : std::vector<V> {  // aligned to whole vectors
  void size(size_t floats) { resize(floats / WIDTH + 1); }
  float* at() { return reinterpret_cast<float*>(data()); }
  const float* at() const { return reinterpret_cast<const float*>(data()); }
  void zero() { memset(data(), 0, std::vector<V>::size() * sizeof(V)); }
};

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
  V power; memcpy(&power, &bits, sizeof power);
  return p * power;
}

// out[ho][wo][CO] = bias + sum w[K*K][CI][CO] * in[ho+K-1][wo+K-1][CI]; then leaky ReLU, unless slope is 1.
template <int CI, int CO, int K, int VB, int PX>
void conv_block(const float* in, int wi, float* out, const float* w, const float* bias, float slope) {
  V acc[PX][VB];
  for (int j = 0; j < PX; j++)
    for (int v = 0; v < VB; v++) acc[j][v] = bias ? load(bias + WIDTH * v) : splat(0);
  for (int ky = 0; ky < K; ky++)
    for (int kx = 0; kx < K; kx++) {
      const float* ip = in + (ky * wi + kx) * CI;
      const float* wp = w + (ky * K + kx) * CI * CO;
      for (int ci = 0; ci < CI; ci++, wp += CO) {
        V wv[VB];
        for (int v = 0; v < VB; v++) wv[v] = load(wp + WIDTH * v);
#pragma GCC unroll 28
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
      store(out + j * CO + WIDTH * v, a);
    }
}
using Block = void (*)(const float*, int, float*, const float*, const float*, float);
template <int CI, int CO, int K, int VB, int FEWEST, int... MORE>
Block pick(int px, std::integer_sequence<int, MORE...>) {
  static const Block blocks[] = {conv_block<CI, CO, K, VB, FEWEST + MORE>...};
  return blocks[px - FEWEST];
}
template <int CI, int CO, int K>
void conv(const float* in, int wi, float* out, int ho, int wo, const float* w, const float* bias, float slope) {
  constexpr int N = CO / WIDTH, VB = N % 3 == 0 ? 3 : N % 2 == 0 ? 2 : 1, MOST = VB == 1 ? std::min(REGISTERS, 16) : REGISTERS / VB, FEWEST = K == 1 ? 1 : MOST / 2;
  const int px = (wo + (wo + MOST - 1) / MOST - 1) / ((wo + MOST - 1) / MOST);  // a row in equal blocks
  const Block block = pick<CI, CO, K, VB, FEWEST>(px, std::make_integer_sequence<int, MOST - FEWEST + 1>());
  for (int oy = 0; oy < ho; oy++)
    for (int ox = 0; ox < wo; ox += px) {
      int at = std::min(ox, wo - px);  // the last block overlaps
      for (int co = 0; co < CO; co += WIDTH * VB) block(in + (oy * wi + at) * CI, wi, out + (oy * wo + at) * CO + co, w + co, bias ? bias + co : nullptr, slope);
    }
}

// dw[K*K][CI][CO] += sum in * dout. dout has row stride ws and starts at its first inner pixel.
template <int CI, int CO, int CB, int VB>
void wgrad_row(const float* in, const float* dout, int wo, float* dw) {
  V acc[CB][VB];
  for (int i = 0; i < CB; i++)
    for (int v = 0; v < VB; v++) acc[i][v] = load(dw + i * CO + WIDTH * v);
  for (int x = 0; x < wo; x++) {
    V d[VB];
    for (int v = 0; v < VB; v++) d[v] = load(dout + x * CO + WIDTH * v);
#pragma GCC unroll 16
    for (int i = 0; i < CB; i++) {
      V a = splat(in[x * CI + i]);
      for (int v = 0; v < VB; v++) acc[i][v] += a * d[v];
    }
  }
  for (int i = 0; i < CB; i++)
    for (int v = 0; v < VB; v++) store(dw + i * CO + WIDTH * v, acc[i][v]);
}
template <int CI, int CO, int K>
void wgrad(const float* in, int wi, const float* dout, int ws, int ho, int wo, float* dw, float* db) {
  constexpr int N = CO / WIDTH, VB = N % 3 == 0 && REGISTERS > 12 ? 3 : N % 2 == 0 ? 2 : 1, CB = CI == 1 ? 1 : REGISTERS > 12 && VB == 1 && CI % 16 == 0 ? 16 : REGISTERS > 12 ? 8 : 4;
  for (int oy = 0; oy < ho; oy++)
    for (int co = 0; co < CO; co += WIDTH * VB) {
      const float* d = dout + oy * ws * CO + co;
      for (int x = 0; x < wo; x++)
        for (int v = 0; v < VB; v++) store(db + co + WIDTH * v, load(db + co + WIDTH * v) + load(d + x * CO + WIDTH * v));
      for (int ky = 0; ky < K; ky++)
        for (int kx = 0; kx < K; kx++)
          for (int ci = 0; ci < CI; ci += CB)
            wgrad_row<CI, CO, CB, VB>(in + ((oy + ky) * wi + kx) * CI + ci, d, wo, dw + ((ky * K + kx) * CI + ci) * CO + co);
    }
}

// The body's convolutions by Winograd's F(4x4, 3x3): tiles of 4x4 outputs, transformed row after row of tiles into 36 products of
// matrices [tiles][channels] by [channels][channels]. Backward are the adjoints of the same three steps. d, u, y, e are 1-D, stride s.
template <int S> inline void b_transposed(const V* d, V* u) {
  V a = d[4 * S] - 4.f * d[2 * S], b = d[3 * S] - 4.f * d[S], c = d[4 * S] - d[2 * S], e = 2.f * (d[3 * S] - d[S]);
  u[0] = 4.f * d[0] - 5.f * d[2 * S] + d[4 * S]; u[S] = a + b; u[2 * S] = a - b; u[3 * S] = c + e; u[4 * S] = c - e;
  u[5 * S] = 4.f * d[S] - 5.f * d[3 * S] + d[5 * S];
}
template <int S> inline void b_plain(const V* u, V* d) {
  V sum = u[S] + u[2 * S], difference = u[S] - u[2 * S], sum2 = u[3 * S] + u[4 * S], difference2 = u[3 * S] - u[4 * S];
  d[0] = 4.f * u[0]; d[S] = 4.f * u[5 * S] - 4.f * difference - 2.f * difference2; d[2 * S] = -5.f * u[0] - 4.f * sum - sum2;
  d[3 * S] = difference + 2.f * difference2 - 5.f * u[5 * S]; d[4 * S] = u[0] + sum + sum2; d[5 * S] = u[5 * S];
}
template <int S, int SO> inline void a_transposed(const V* m, V* y) {
  V sum = m[S] + m[2 * S], difference = m[S] - m[2 * S], sum2 = m[3 * S] + m[4 * S], difference2 = m[3 * S] - m[4 * S];
  y[0] = m[0] + sum + sum2; y[SO] = difference + 2.f * difference2; y[2 * SO] = sum + 4.f * sum2; y[3 * SO] = difference + 8.f * difference2 + m[5 * S];
}
template <int S, int SO> inline void a_plain(const V* y, V* e) {
  V even = y[0] + y[2 * S], odd = y[S] + y[3 * S], even2 = y[0] + 4.f * y[2 * S], odd2 = 2.f * y[S] + 8.f * y[3 * S];
  e[0] = y[0]; e[SO] = even + odd; e[2 * SO] = even - odd; e[3 * SO] = even2 + odd2; e[4 * SO] = even2 - odd2; e[5 * SO] = y[3 * S];
}
constexpr float G[6][3] = {{1 / 4.f, 0, 0}, {-1 / 6.f, -1 / 6.f, -1 / 6.f}, {-1 / 6.f, 1 / 6.f, -1 / 6.f}, {1 / 24.f, 1 / 12.f, 1 / 6.f}, {1 / 24.f, -1 / 12.f, 1 / 6.f}, {0, 0, 1}};

// w [9][C][C] -> G w G^T [36][C][C], and each of the 36 transposed
void transform_weights(const float* w, float* t, float* transposed) {
  memset(t, 0, 36 * C * C * 4);
  for (int k = 0; k < 36; k++) {
    for (int i = 0; i < 9; i++) {
      const float factor = G[k / 6][i / 3] * G[k % 6][i % 3];
      if (factor) for (int x = 0; x < C * C; x++) t[k * C * C + x] += factor * w[i * C * C + x];
    }
    for (int ci = 0; ci < C; ci++)
      for (int co = 0; co < C; co++) transposed[(k * C + co) * C + ci] = t[(k * C + ci) * C + co];
  }
}
// and its adjoint
void transform_gradient(const float* t, float* w) {
  for (int i = 0; i < 9; i++)
    for (int k = 0; k < 36; k++) {
      const float factor = G[k / 6][i / 3] * G[k % 6][i % 3];
      if (factor) for (int x = 0; x < C * C; x++) w[i * C * C + x] += factor * t[k * C * C + x];
    }
}
constexpr int tiles(int q) { return (q + 3) / 4; }

// in [q+2][q+2][C] -> a = lrelu(conv(in)), h = a + in; u [tile row][36][tiles][C] is kept for the weights' gradient; m is scratch
void body_forward(const float* in, int q, float* u, float* m, float* a, float* h, const float* w, const float* bias, float slope) {
  const int n = tiles(q), wi = q + 2;
  for (int ty = 0; ty < n; ty++, u += 36 * n * C) {
    for (int tx = 0; tx < n; tx++)
      for (int c = 0; c < C; c += WIDTH) {
        V d[36], t[36];
        for (int i = 0; i < 36; i++) {
          int yy = 4 * ty + i / 6, xx = 4 * tx + i % 6;
          d[i] = yy < wi && xx < wi ? load(in + (yy * wi + xx) * C + c) : V{};
        }
        for (int i = 0; i < 6; i++) b_transposed<6>(d + i, t + i);
        for (int i = 0; i < 6; i++) b_transposed<1>(t + 6 * i, d + 6 * i);
        for (int k = 0; k < 36; k++) store(u + (k * n + tx) * C + c, d[k]);
      }
    for (int k = 0; k < 36; k++) conv<C, C, 1>(u + k * n * C, n, m + k * n * C, 1, n, w + k * C * C, nullptr, 1.f);
    for (int tx = 0; tx < n; tx++)
      for (int c = 0; c < C; c += WIDTH) {
        V t[24], o[16], d[36], b = load(bias + c);
        for (int k = 0; k < 36; k++) d[k] = load(m + (k * n + tx) * C + c);
        for (int i = 0; i < 6; i++) a_transposed<6, 6>(d + i, t + i);
        for (int i = 0; i < 4; i++) a_transposed<1, 1>(t + 6 * i, o + 4 * i);
        for (int i = 0; i < 16; i++) {
          int yy = 4 * ty + i / 4, xx = 4 * tx + i % 4;
          if (yy >= q || xx >= q) continue;
          V v = o[i] + b;
          v = v > splat(0) ? v : v * slope;
          store(a + (yy * q + xx) * C + c, v);
          store(h + (yy * q + xx) * C + c, v + load(in + ((yy + 1) * wi + xx + 1) * C + c));
        }
      }
  }
}
// dh [q][q][C] -> before [q+2][q+2][C]; adds to dw [36][C][C] and db; e and du are scratch
void body_backward(const float* dh, const float* a, int q, const float* u, float* e, float* du, float* before, const float* transposed, float* dw, float* db, float slope) {
  constexpr int VB = C / WIDTH % 2 ? 1 : 2, CB = C % 16 ? 8 : 16 / VB;
  const int n = tiles(q), wi = q + 2;
  memset(before, 0, (size_t)wi * wi * C * 4);
  for (int yy = 0; yy < q; yy++) memcpy(before + ((yy + 1) * wi + 1) * C, dh + yy * q * C, q * C * 4);
  for (int ty = 0; ty < n; ty++, u += 36 * n * C) {
    for (int tx = 0; tx < n; tx++)
      for (int c = 0; c < C; c += WIDTH) {
        V y[16], t[24], o[36], sum = V{};
        for (int i = 0; i < 16; i++) {
          int yy = 4 * ty + i / 4, xx = 4 * tx + i % 4, at = (yy * q + xx) * C + c;
          if (yy >= q || xx >= q) { y[i] = V{}; continue; }
          V d = load(dh + at);
          sum += y[i] = load(a + at) > splat(0) ? d : d * slope;
        }
        store(db + c, load(db + c) + sum);
        for (int i = 0; i < 4; i++) a_plain<4, 4>(y + i, t + i);
        for (int i = 0; i < 6; i++) a_plain<1, 1>(t + 4 * i, o + 6 * i);
        for (int k = 0; k < 36; k++) store(e + (k * n + tx) * C + c, o[k]);
      }
    for (int k = 0; k < 36; k++) {
      for (int co = 0; co < C; co += WIDTH * VB)
        for (int ci = 0; ci < C; ci += CB) wgrad_row<C, C, CB, VB>(u + k * n * C + ci, e + k * n * C + co, n, dw + (k * C + ci) * C + co);
      conv<C, C, 1>(e + k * n * C, n, du + k * n * C, 1, n, transposed + k * C * C, nullptr, 1.f);
    }
    for (int tx = 0; tx < n; tx++)
      for (int c = 0; c < C; c += WIDTH) {
        V t[36], d[36];
        for (int k = 0; k < 36; k++) d[k] = load(du + (k * n + tx) * C + c);
        for (int i = 0; i < 6; i++) b_plain<6>(d + i, t + i);
        for (int i = 0; i < 6; i++) b_plain<1>(t + 6 * i, d + 6 * i);
        for (int i = 0; i < 36; i++) {
          int yy = 4 * ty + i / 6, xx = 4 * tx + i % 6;
          if (yy >= wi || xx >= wi) continue;
          float* to = before + (yy * wi + xx) * C + c;
          store(to, load(to) + d[i]);
        }
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
constexpr int MAPS_W = BODY0 + BODY * BODY_N, MAPS_B = MAPS_W + 9 * C * M, ENC_W = MAPS_B + M, ENC_B = ENC_W + C * E, TOTAL = ENC_B + E;

struct Flipped { alignas(64) float body[BODY][36 * C * C], transposed[BODY][36 * C * C], maps[9 * C * M], encode[C * E]; };

struct Sample {
  int p;  // LR patch side with halo
  Buffer f, a[BODY], h[BODY], u[BODY], m, du, dw, maps, lanes, logits, dlogits, dlanes, dmaps, dh, denc, dbefore;
  explicit Sample(int p) : p(p) {
    int n = p - 2 * HALO;
    f.size((p - 2) * (p - 2) * C);
    for (int i = 0; i < BODY; i++) { int q = p - 4 - 2 * i; a[i].size(q * q * C); h[i].size(q * q * C); u[i].size(36 * tiles(q) * tiles(q) * C); }
    m.size(36 * tiles(p) * C); du.size(36 * tiles(p) * C); dw.size(36 * C * C);
    int q = n + 2 * (KUP / 2);
    maps.size(q * q * M); lanes.size(q * q * L); dlanes.size(q * q * L); dmaps.size((q + 4) * (q + 4) * M);
    logits.size(n * n * E); dlogits.size(n * n * E); denc.size(n * n * C);
    dbefore.size((p - 2) * (p - 2) * C); dh.size((p - 2) * (p - 2) * C);
  }

  double run(const float* y, const float* target, const float* w, const Flipped& t, float slope, int square, float gscale, float* g) {
    const int n = p - 2 * HALO, pf = p - 2, r = KUP / 2, pm = n + 2 * r, ph = pm + 2;
    memset(g, 0, TOTAL * 4);
    conv<1, C, 3>(y, p, f.at(), pf, pf, w + HEAD_W, w + HEAD_B, slope);
    const float* in = f.at();
    for (int i = 0; i < BODY; i++) {
      int q = p - 4 - 2 * i;
      body_forward(in, q, u[i].at(), m.at(), a[i].at(), h[i].at(), t.body[i], w + BODY0 + i * BODY_N + 9 * C * C, slope);
      in = h[i].at();
    }
    conv<C, M, 3>(in, ph, maps.at(), pm, pm, w + MAPS_W, w + MAPS_B, 1.f);
    for (int x = 0; x < pm * pm; x++) {
      const float* from = maps.at() + x * M;
      float* to = lanes.at() + x * L;
      for (int l = 0; l < LANES; l++) to[l] = from[l / SHARE];
    }
    const int inner = 1 + r;
    for (int yy = 0; yy < n; yy++)
      conv<C, E, 1>(in + ((yy + inner) * ph + inner) * C, n, logits.at() + yy * n * E, 1, n, w + ENC_W, w + ENC_B, 1.f);

    // softmax, reassembly, loss and their gradients, a pixel at a time
    dlanes.zero();
    double loss = 0;
    for (int oy = 0; oy < n; oy++)
      for (int ox = 0; ox < n; ox++) {
        float* e = logits.at() + (oy * n + ox) * E;
        float* de = dlogits.at() + (oy * n + ox) * E;
        alignas(64) float out[L], grad[L] = {};
        for (int v = 0; v < LV; v++) {
          V top = load(e + WIDTH * v);
          for (int k = 1; k < TAPS; k++) { V x = load(e + k * L + WIDTH * v); top = x > top ? x : top; }
          V sum = splat(0), o = splat(0);
          for (int ky = 0; ky < KUP; ky++)
            for (int kx = 0; kx < KUP; kx++) {
              int k = ky * KUP + kx;
              V x = vexp(load(e + k * L + WIDTH * v) - top);
              store(e + k * L + WIDTH * v, x);
              sum += x;
              o += x * load(lanes.at() + ((oy + ky) * pm + ox + kx) * L + WIDTH * v);
            }
          V inverse = splat(1.f) / sum;
          for (int k = 0; k < TAPS; k++) store(e + k * L + WIDTH * v, load(e + k * L + WIDTH * v) * inverse);
          store(out + WIDTH * v, o * inverse);
        }
        for (int s = 0; s < SUB; s++) {
          float o = 0;
          for (int gg = 0; gg < GROUPS; gg++) o += out[gg * SUB + s];
          float d = o - target[((oy * SCALE + s / SCALE) * n + ox) * SCALE + s % SCALE];
          loss += square ? (double)d * d : std::fabs(d);
          float dd = square ? 2 * d * gscale : d > 0 ? gscale : d < 0 ? -gscale : 0.f;
          for (int gg = 0; gg < GROUPS; gg++) grad[gg * SUB + s] = dd;
        }
        for (int v = 0; v < LV; v++) {
          V o = load(out + WIDTH * v), d = load(grad + WIDTH * v);
          for (int ky = 0; ky < KUP; ky++)
            for (int kx = 0; kx < KUP; kx++) {
              int k = ky * KUP + kx, at = ((oy + ky) * pm + ox + kx) * L + WIDTH * v;
              V kd = load(e + k * L + WIDTH * v) * d;
              store(de + k * L + WIDTH * v, kd * (load(lanes.at() + at) - o));
              store(dlanes.at() + at, load(dlanes.at() + at) + kd);
            }
        }
      }
    const int pd = pm + 4;
    dmaps.zero();
    for (int yy = 0; yy < pm; yy++)
      for (int x = 0; x < pm; x++) {
        const float* from = dlanes.at() + (yy * pm + x) * L;
        float* to = dmaps.at() + ((yy + 2) * pd + x + 2) * M;
        for (int l = 0; l < LANES; l++) to[l / SHARE] += from[l];
      }

    // encoder and maps, back into dh of the last body output [ph][ph]
    wgrad<C, M, 3>(in, ph, dmaps.at() + (2 * pd + 2) * M, pd, pm, pm, g + MAPS_W, g + MAPS_B);
    conv<M, C, 3>(dmaps.at(), pd, dh.at(), ph, ph, t.maps, nullptr, 1.f);
    for (int yy = 0; yy < n; yy++)
      wgrad<C, E, 1>(in + ((yy + inner) * ph + inner) * C, n, dlogits.at() + yy * n * E, n, 1, n, g + ENC_W, g + ENC_B);
    conv<E, C, 1>(dlogits.at(), n, denc.at(), n, n, t.encode, nullptr, 1.f);
    for (int yy = 0; yy < n; yy++)
      for (int x = 0; x < n * C; x++) dh.at()[((yy + inner) * ph + inner) * C + x] += denc.at()[yy * n * C + x];

    for (int i = BODY - 1; i >= 0; i--) {
      float* gw = g + BODY0 + i * BODY_N;
      dw.zero();
      body_backward(dh.at(), a[i].at(), p - 4 - 2 * i, u[i].at(), m.at(), du.at(), dbefore.at(), t.transposed[i], dw.at(), gw + 9 * C * C, slope);
      transform_gradient(dw.at(), gw);
      std::swap(dh, dbefore);
    }
    for (int x = 0; x < pf * pf * C; x++) dh.at()[x] *= f.at()[x] > 0 ? 1.f : slope;
    wgrad<1, C, 3>(y, p, dh.at(), pf, pf, pf, g + HEAD_W, g + HEAD_B);
    return loss;
  }
};
}  // namespace

extern "C" {
int step_total() { return TOTAL; }
int step_width() { return WIDTH; }
int step_halo() { return HALO; }

// y [batch][p][p], target [batch][(p-2 HALO)*SCALE]^2, w [TOTAL]; grad [TOTAL] is written; returns the mean loss.
double step_run(const float* y, const float* target, int batch, int p, const float* w, float slope, int kind, int threads, float* grad) {
  static thread_local std::vector<Sample> pool;
  while ((int)pool.size() < threads || pool[0].p != p) { if (!pool.empty() && pool[0].p != p) pool.clear(); pool.emplace_back(p); }
  const int side = (p - 2 * HALO) * SCALE;
  const double count = (double)batch * side * side;
  static Flipped t;
  static Buffer weights, grads;
  weights.size(TOTAL);
  memcpy(weights.at(), w, TOTAL * 4);
  w = weights.at();
  for (int i = 0; i < BODY; i++) transform_weights(w + BODY0 + i * BODY_N, t.body[i], t.transposed[i]);
  flip<C, M, 3>(w + MAPS_W, t.maps);
  flip<C, E, 1>(w + ENC_W, t.encode);
  grads.size((size_t)batch * TOTAL);
  std::vector<double> losses(batch);
  Sample* samples = pool.data();
  auto work = [&](int thread) {
    for (int b = thread; b < batch; b += threads)
      losses[b] = samples[thread].run(y + (size_t)b * p * p, target + (size_t)b * side * side, w, t, slope, kind > 0, (float)(1 / count), grads.at() + (size_t)b * TOTAL);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; i++) others.emplace_back(work, i);
  work(0);
  for (auto& other : others) other.join();
  double loss = 0;
  std::fill(grad, grad + TOTAL, 0.f);
  for (int b = 0; b < batch; b++) {
    const double mse = losses[b] / ((double)side * side) + LOG_OFFSET;
    const float weight = kind == 2 ? (float)(1 / mse) : 1.f;
    loss += kind == 2 ? std::log(mse) * side * side : losses[b];
    for (int i = 0; i < TOTAL; i++) grad[i] += weight * grads.at()[(size_t)b * TOTAL + i];
  }
  return loss / count;
}
}
