#include "discreet/report/numbers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace discreet {
namespace {

std::string fixed(double value, int decimals) {
  char buffer[400];
  std::snprintf(buffer, sizeof(buffer), "%.*f", decimals, value);
  return buffer;
}

// Smallest decimal with this many places that is not below value; a value that is such a decimal up to the
// last bits of a double stays as it is.
double ceil_decimal(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  const double nearest = std::round(value * scale);
  if (std::abs(value * scale - nearest) <= 1e-12 * std::abs(nearest)) return nearest / scale;
  return std::ceil(value * scale) / scale;
}

// Without zeros (and a point) at the end of the decimals.
std::string trimmed(std::string number) {
  if (number.find('.') == std::string::npos) return number;
  while (number.back() == '0') number.pop_back();
  if (number.back() == '.') number.pop_back();
  return number;
}

}  // namespace

std::string percent_rounded_up(double probability) {
  const double percent = 100 * probability;
  if (percent >= 100) return "100\u00A0%";
  const double missing = 100 - percent;
  int decimals = missing >= 0.1 ? 1 : static_cast<int>(std::ceil(-std::log10(missing))) + 1;
  if (decimals > 9) return "more than 99.99999999\u00A0%";
  if (percent > 0 && percent < 10)
    decimals = std::max(decimals, static_cast<int>(std::ceil(1 - std::log10(percent))));
  double up = ceil_decimal(percent, decimals);
  while (up >= 100 && decimals < 12) up = ceil_decimal(percent, ++decimals);
  return trimmed(fixed(up, decimals)) + "\u00A0%";
}

std::string percent_rounded_down(double probability) {
  const std::string missing = percent_rounded_up(1 - probability);
  char* end = nullptr;
  const double percent = std::strtod(missing.c_str(), &end);
  if (end == missing.c_str()) return "less than 0.00000001\u00A0%";
  const size_t point = missing.find('.');
  const int decimals = point == std::string::npos ? 0 : static_cast<int>(end - missing.c_str() - point - 1);
  return trimmed(fixed(100 - percent, decimals)) + "\u00A0%";
}

std::string rounded_up(double value, int digits) {
  if (value == 0 || !std::isfinite(value)) return value == 0 ? "0" : "unlimited";
  const int decimals = digits - 1 - static_cast<int>(std::floor(std::log10(std::abs(value))));
  const double up = decimals >= 0 ? ceil_decimal(value, decimals) : std::ceil(value);
  if (std::abs(value) < 1e-4) {
    char buffer[64];
    std::snprintf(buffer, sizeof(buffer), "%.*g", digits, up);
    return buffer;
  }
  return trimmed(fixed(up, std::max(decimals, 0)));
}

std::string rounded_up_to(double value, int decimals) {
  return fixed(ceil_decimal(value, decimals), decimals);
}

std::string scientific_rounded_up(double value) {
  if (value <= 0) return "0";
  int exponent = static_cast<int>(std::floor(std::log10(value)));
  double factor = ceil_decimal(value / std::pow(10.0, exponent), 1);
  if (factor >= 10) {
    factor /= 10;
    ++exponent;
  }
  static const std::array<const char*, 10> kRaised = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string power = exponent < 0 ? "⁻" : "";
  for (const char digit : std::to_string(std::abs(exponent)))
    power += kRaised[static_cast<size_t>(digit - '0')];
  const std::string times = trimmed(fixed(factor, 1));
  return (times == "1" ? "" : times + " × ") + "10" + power;
}

std::string one_in(double probability) {
  if (probability <= 0) return "0";
  if (probability >= 1) return "1 in 1";
  const double denominator = 1 / probability;
  if (denominator > 1e15) return "less than 1 in 1,000,000,000,000,000";
  const double nearest = std::round(denominator);
  const bool whole = std::abs(denominator - nearest) <= 1e-9 * denominator;
  return "1 in " + with_commas(static_cast<long long>(whole ? nearest : std::floor(denominator)));
}

std::string significant(double value, int digits) {
  if (!std::isfinite(value))
    return std::isnan(value) ? "not a number" : value > 0 ? "unlimited" : "-unlimited";
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), "%.*g", digits, value);
  if (std::string(buffer).find('e') == std::string::npos) return buffer;
  if (std::abs(value) >= 1 && std::abs(value) < 1e15)
    return with_commas(static_cast<int64_t>(std::round(value)));
  return buffer;
}

std::string with_commas(int64_t number) {
  std::string digits = std::to_string(number);
  for (int at = static_cast<int>(digits.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3)
    digits.insert(at, ",");
  return digits;
}

}  // namespace discreet
