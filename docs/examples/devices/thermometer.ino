// A thermometer on an ESP32 with the library PubSubClient 2.8.
//
// PubSubClient publishes with QoS 0 only: publish() returning true means "written to the socket",
// not "taken by the broker". So the last readings are kept and sent again after each reconnect,
// under the same names; Qala drops what it has already. More than KEPT readings lost at once stay
// lost, and Qala counts them as missing.
#include <PubSubClient.h>
#include <WiFi.h>
#include <WiFiClientSecure.h>
#include <sys/time.h>

const char* WIFI_NAME = "city-devices";
const char* WIFI_PASSWORD = "...";
const char* BROKER = "mqtt.example.org";
const uint16_t PORT = 8883;
const char* USER = "hall-1/thermometer/t-1";  // {site}/{kind}/{device}, as in the topics
const char* PASSWORD = "...";
const char* CA = "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n";
const char* TELEMETRY = "qala/v1/hall-1/thermometer/t-1/telemetry";
const char* STATUS = "qala/v1/hall-1/thermometer/t-1/status";

const uint32_t INTERVAL_MS = 5000;
const int KEPT = 16;
const time_t CLOCK_SET = 1577836800;  // 2020-01-01: before that Qala does not believe a clock

struct Reading {
  int64_t ts;
  uint32_t seq;
  float celsius;
};

WiFiClientSecure network;
PubSubClient mqtt(network);
Reading kept[KEPT];
uint32_t boot;         // Unix seconds of the start
uint32_t nextSeq = 0;  // goes on over reconnects
uint32_t lastMs = 0;
char payload[1536];    // KEPT readings of at most 94 characters

int64_t nowMs() {
  struct timeval now;
  gettimeofday(&now, nullptr);
  return (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
}

float readCelsius() {
  return analogReadMilliVolts(34) / 10.0f - 50.0f;  // a TMP36: 10 mV per °C, 500 mV at 0 °C
}

void sayStatus(char* into, size_t size, const char* state) {
  snprintf(into, size, "{\"state\":\"%s\",\"ts\":%lld,\"boot\":%lu}", state, (long long)nowMs(),
           (unsigned long)boot);
}

// Sends the readings [first, nextSeq) as one array. False: not written, they stay as they are.
bool sendFrom(uint32_t first) {
  size_t used = 0;
  for (uint32_t seq = first; seq < nextSeq; seq++) {
    const Reading& one = kept[seq % KEPT];
    used += snprintf(payload + used, sizeof payload - used,
                     "%c{\"type\":\"temperature\",\"ts\":%lld,\"boot\":%lu,\"seq\":%lu,"
                     "\"celsius\":%.2f}",
                     seq == first ? '[' : ',', (long long)one.ts, (unsigned long)boot,
                     (unsigned long)one.seq, one.celsius);
  }
  snprintf(payload + used, sizeof payload - used, "]");
  return mqtt.publish(TELEMETRY, payload, false);
}

bool connectAgain() {
  char word[96];
  sayStatus(word, sizeof word, "offline");
  if (!mqtt.connect(USER, USER, PASSWORD, STATUS, 1, true, word)) return false;  // the last will
  sayStatus(word, sizeof word, "online");
  mqtt.publish(STATUS, word, true);
  uint32_t oldest = nextSeq > KEPT ? nextSeq - KEPT : 0;
  return nextSeq == 0 || sendFrom(oldest);
}

void setup() {
  WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
  while (WiFi.status() != WL_CONNECTED) delay(250);
  configTime(0, 0, "pool.ntp.org");               // UTC
  while (time(nullptr) < CLOCK_SET) delay(250);   // no reading before the clock is right
  boot = (uint32_t)time(nullptr);
  network.setCACert(CA);
  mqtt.setServer(BROKER, PORT);
  mqtt.setBufferSize(sizeof payload + 128);       // its default of 256 bytes is too small
  mqtt.setKeepAlive(30);
}

void loop() {
  if (!mqtt.connected() && !connectAgain()) delay(2000);
  mqtt.loop();
  if (millis() - lastMs < INTERVAL_MS) return;
  lastMs = millis();
  kept[nextSeq % KEPT] = {nowMs(), nextSeq, readCelsius()};
  nextSeq++;
  if (mqtt.connected()) sendFrom(nextSeq - 1);
}
