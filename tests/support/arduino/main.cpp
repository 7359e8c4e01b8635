// Runs the sketch for as many seconds of its own clock as the argument says.
#include "Arduino.h"

#include <cstdlib>

#include SKETCH

int main(int, char** arguments) {
  setup();
  const uint32_t until_ms = millis() + 1000 * strtoul(arguments[1], nullptr, 10);
  while (millis() < until_ms) {
    loop();
    delay(50);
  }
}
