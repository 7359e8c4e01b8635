// The few functions of the ESP32's Arduino core that the example sketch calls, on a clock that
// only delay() and the test's loop move.
#pragma once
#include <cstdint>
#include <cstdio>
#include <ctime>

inline uint32_t fake_ms = 0;
inline void delay(uint32_t ms) { fake_ms += ms; }
inline uint32_t millis() { return fake_ms; }
inline void configTime(long, int, const char*) {}
inline uint32_t analogReadMilliVolts(uint8_t) { return 714; }
