// A stand-in with the signatures of PubSubClient 2.8 that the example sketch calls. A message is
// one line on standard output: its topic, whether it is retained, its payload. A buffer that is
// too small refuses a message, as in the library. Every seventh publish is lost on a connection
// that has broken: it returns true, as QoS 0 does, and only then is the client disconnected.
#pragma once
#include <cstdio>
#include <cstring>

#include "WiFiClientSecure.h"

class PubSubClient {
 public:
  explicit PubSubClient(WiFiClientSecure&) {}
  PubSubClient& setServer(const char*, uint16_t) { return *this; }
  PubSubClient& setKeepAlive(uint16_t) { return *this; }
  bool setBufferSize(uint16_t size) {
    size_ = size;
    return true;
  }
  bool connect(const char* id, const char* user, const char*, const char* will_topic, uint8_t,
               bool will_retain, const char* will) {
    if (strcmp(id, user) != 0) return false;
    connected_ = true;
    say("will", will_topic, will_retain, will);
    return true;
  }
  bool publish(const char* topic, const char* payload, bool retained) {
    if (!connected_ || strlen(topic) + strlen(payload) + 7 > size_) return false;
    if (++published_ % 7 == 0) {
      connected_ = false;
      say("lost", topic, retained, payload);
      return true;
    }
    say("sent", topic, retained, payload);
    return true;
  }
  bool connected() { return connected_; }
  bool loop() { return connected_; }

 private:
  void say(const char* what, const char* topic, bool retained, const char* payload) {
    printf("%s\t%s\t%d\t%s\n", what, topic, retained ? 1 : 0, payload);
  }
  size_t size_ = 256;
  int published_ = 0;
  bool connected_ = false;
};
