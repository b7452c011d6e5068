#include "discreet/report/html.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::array<std::string_view, 4> kVoid = {"br", "hr", "img", "meta"};

// Length in bytes of the UTF-8 sequence at the start of `bytes`, 0 where there is none (RFC 3629, table 3-7
// of the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF).
size_t utf8_length(std::string_view bytes) {
  auto byte = [&](size_t i) { return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : uint8_t{0}; };
  auto tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint8_t lead = byte(0), second = byte(1);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool allowed = (lead != 0xE0 || second >= 0xA0) && (lead != 0xED || second <= 0x9F);
    return allowed && tail(1) && tail(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool allowed = (lead != 0xF0 || second >= 0x90) && (lead != 0xF4 || second <= 0x8F);
    return allowed && tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

void require_name(std::string_view name) {
  const bool good = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!good)
    throw Error(ErrorKind::kInvalidArgument, "a tag or attribute name has a character outside a-z, 0-9, -");
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const char c = text[0];
    if (length == 0) {
      out += kReplacement;
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if ((c >= 0 && c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) {
      out += kReplacement;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

Html text(std::string_view words) {
  return Html(escape_html(words));
}

Html element(std::string_view tag, Attributes attributes, const Html& children) {
  require_name(tag);
  std::string markup = "<" + std::string(tag);
  for (const auto& [name, value] : attributes) {
    require_name(name);
    markup += " " + name + "=\"" + escape_html(value) + "\"";
  }
  markup += ">";
  if (std::find(kVoid.begin(), kVoid.end(), tag) != kVoid.end()) {
    if (!children.markup().empty())
      throw Error(ErrorKind::kInvalidArgument, "br, hr, img and meta have no content");
    return Html(markup);
  }
  return Html(markup + children.markup() + "</" + std::string(tag) + ">");
}

Html element(std::string_view tag, const Html& children) {
  return element(tag, Attributes{}, children);
}
Html element(std::string_view tag, std::string_view words) {
  return element(tag, Attributes{}, text(words));
}
Html own_markup(std::string markup) {
  return Html(std::move(markup));
}

}  // namespace discreet
