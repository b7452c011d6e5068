// One step of one row of an LSTM, forwards and backwards, by vectors: the innermost loops of
// fused_recurrent.cc, whose equations these are. All rows have `hidden` floats; those of the gates i, f, g, o
// lie one after another.
#pragma once

#include <cstdint>

namespace discreet {

// gates: in z, out the gates; cell = f * before + i * g. A NaN stays one.
void lstm_step(int64_t hidden, float* gates, const float* before, float* cell);

// dh: the gradient of h; dc: in that of c, out that of the cell before; gates become the gradient of z.
void lstm_step_back(int64_t hidden, float* gates, const float* before, const float* cell, const float* dh,
                    float* dc);

}  // namespace discreet
