// A V2H station 0x027E, a storage battery 0x027D and a distribution board 0x0287 as
// one node, made with the npm package echonet-lite. It shares nothing with the
// integration or its emulator: the package takes the frames apart and answers.
//
//     node station.js LOG CONTROL [curious]
//
// Every request to a device is a line of JSON in the file LOG. The file CONTROL may hold
// {"load": WATTS}: what the house takes. A curious one is a controller besides: whoever
// says that it is there is searched for, read as far as the package does so by itself,
// and told to switch off. Every answer is a line, too.
'use strict';

const fs = require('fs');
const EL = require('echonet-lite');

const [log, control, curious] = process.argv.slice(2);
const CAPACITY_WH = 36000;
const STATION = '027e01';
const BATTERY = '027d01';
const BOARD = '028701';
const TICK_MS = 250;

const bytes = (value, length) =>
  Array.from({ length }, (_, i) => Math.floor(value / 256 ** (length - 1 - i)) & 0xff);
const u32 = (value) => bytes(Math.round(value), 4);
const i32 = (value) => u32(value < 0 ? Math.round(value) + 2 ** 32 : value);
const number = (edt) => edt.reduce((sum, byte) => sum * 256 + byte, 0);
const ascii = (text, length) =>
  Array.from({ length }, (_, i) => (i < text.length ? text.charCodeAt(i) : 0));

function propertyMap(epcs) {
  if (epcs.length < 16) {
    return [epcs.length, ...epcs.map((epc) => parseInt(epc, 16))];
  }
  const bits = new Array(16).fill(0);
  for (const epc of epcs) {
    const value = parseInt(epc, 16);
    bits[value & 0x0f] |= 1 << ((value >> 4) - 8);
  }
  return [epcs.length, ...bits];
}

function device(product, values, settable, announced) {
  const all = {
    80: [0x30], 81: [0x00], 82: [0x00, 0x00, 0x52, 0x01], 88: [0x42],
    '8a': [0x00, 0x00, 0x77], '8c': ascii(product, 12), ...values,
  };
  all['9d'] = propertyMap(announced);
  all['9e'] = propertyMap(settable);
  all['9f'] = propertyMap(
    [...Object.keys(all), '9f'].filter((epc) => epc !== 'cd').sort());
  return all;
}

const devices = {
  [STATION]: device('NPM-V2H', {
    c0: u32(32000), c2: u32(14000), c4: [0x28], c5: u32(6000), c6: u32(6000),
    c7: [0x43], c8: [...u32(0), ...u32(6000)], c9: [...u32(0), ...u32(6000)],
    ca: [0, 0, 0, 150], cb: [0, 0, 0, 150], cc: [0x22], cd: [0x10],
    ce: u32(CAPACITY_WH), cf: u32(18000), d0: u32(CAPACITY_WH), d3: i32(0),
    d6: u32(0), d8: u32(0), da: [0x44], db: [0x02], dc: [0x01], dd: [0x02],
    de: u32(0), df: [0x41], e1: [0x44], e2: u32(18000), e4: [50],
    e6: [4, 1, 2, 3, 4], e7: u32(0), ea: u32(0), eb: u32(0), ec: u32(0),
  }, ['81', 'cd', 'da', 'dc', 'dd', 'de', 'e7', 'ea', 'eb', 'ec'],
  ['80', '81', '88', 'c7', 'da', 'dc', 'dd', 'e1']),
  [BATTERY]: device('NPM-ESS', {
    97: [12, 0], 98: [0x07, 0xea, 11, 22], a0: u32(8000), a1: u32(7600),
    a2: u32(8000), a3: u32(7600), a4: u32(3200), a5: u32(4500), a8: u32(0),
    a9: u32(0), aa: u32(0), ab: u32(0), c1: [0x01], c2: [0x02],
    c8: [...u32(100), ...u32(3000)], c9: [...u32(100), ...u32(3000)],
    cf: [0x44], d0: u32(8000), d3: i32(0), da: [0x44], db: [0x02],
    e2: u32(4800), e4: [60], e5: [92], e6: [0x04], eb: u32(0), ec: u32(0),
  }, ['81', 'aa', 'ab', 'c1', 'c2', 'da', 'eb', 'ec'],
  ['80', '81', '88', 'aa', 'ab', 'c1', 'c2', 'cf', 'da']),
  [BOARD]: device('NPM-BOARD', {
    c0: u32(0), c1: u32(0), c2: [0x03], c6: i32(900),
  }, ['81'], ['80', '81', '88']),
};

function write(line) {
  fs.appendFileSync(log, `${JSON.stringify({ time: Date.now() / 1000, ...line })}\n`);
}

function load() {
  try {
    return JSON.parse(fs.readFileSync(control, 'utf8')).load;
  } catch {
    return 900;
  }
}

// Positive is charging, as the standard counts.
function power(values, methods, watts) {
  const method = (epc) => (values[epc] ? values[epc][0] : 0x03);
  switch (values.da[0]) {
    case 0x42:
      return method(methods[0]) === 0x03 ? number(values.eb) : watts;
    case 0x43:
      // Without back-feed it gives no more than the house takes.
      return -Math.min(
        load() - 50, method(methods[1]) === 0x03 ? number(values.ec) : watts);
    default:
      return 0;
  }
}

function announce(eoj, epc) {
  EL.sendOPC1(EL.EL_Multi, eoj, EL.NODE_PROFILE_OBJECT, EL.INF, epc, devices[eoj][epc]);
}

function settle(eoj, epc, value) {
  const changed = devices[eoj][epc].join() !== value.join();
  devices[eoj][epc] = value;
  if (changed && ['e1', 'cf'].includes(epc)) {
    announce(eoj, epc);
  }
}

const counters = { charged: 0, discharged: 0 };

function tick() {
  const car = devices[STATION];
  const carW = power(car, ['dc', 'dd'], 6000);
  const wh = Math.abs(carW) * TICK_MS / 3.6e6;
  counters[carW > 0 ? 'charged' : 'discharged'] += wh;
  settle(STATION, 'd3', i32(carW));
  settle(STATION, 'd6', u32(counters.discharged));
  settle(STATION, 'd8', u32(counters.charged));
  settle(STATION, 'e1', [carW > 0 ? 0x42 : carW < 0 ? 0x43 : 0x44]);
  const battery = devices[BATTERY];
  const batteryW = power(battery, ['c1', 'c2'], 3000);
  settle(BATTERY, 'd3', i32(batteryW));
  settle(BATTERY, 'cf', [battery.da[0]]);
  settle(BOARD, 'c6', i32(load() + carW + batteryW));
}

function take(rinfo, els) {
  const values = devices[els.DEOJ];
  for (const [epc, edt] of Object.entries(els.DETAILs)) {
    write({ event: 'set', from: rinfo.address, object: els.DEOJ, property: epc, value: edt });
    if (values[epc]) {
      values[epc] = EL.toHexArray(edt);
      if (['da', 'dc', 'dd', 'c1', 'c2'].includes(epc)) {
        announce(els.DEOJ, epc);
      }
    }
  }
  tick();
}

const CONTROLLER = '05ff01';
const ANSWERS = [
  EL.SETI_SNA, EL.SETC_SNA, EL.GET_SNA, EL.INF_SNA, EL.SET_RES, EL.GET_RES, EL.INF, EL.INFC_RES];
const met = new Set();

// What the package does not do by itself.
function getToKnow(address) {
  EL.search();
  EL.sendOPC1(EL.EL_Multi, EL.NODE_PROFILE_OBJECT, EL.NODE_PROFILE_OBJECT, EL.INF_REQ, 0xd5, 0x00);
  for (const eoj of [EL.NODE_PROFILE_OBJECT, CONTROLLER]) {
    EL.sendOPC1(address, EL.NODE_PROFILE_OBJECT, eoj, EL.SETC, 0x80, 0x31);
    EL.sendOPC1(address, EL.NODE_PROFILE_OBJECT, eoj, EL.SETI, 0x80, 0x31);
    EL.sendOPC1(address, EL.NODE_PROFILE_OBJECT, eoj, EL.INFC, 0x88, 0x41);
    EL.sendOPC1(address, EL.NODE_PROFILE_OBJECT, eoj, EL.INF_REQ, 0x80, '');
    EL.sendOPC1(address, EL.NODE_PROFILE_OBJECT, eoj, EL.GET, 0xe4, '');
  }
}

function listened(rinfo, els) {
  if (ANSWERS.includes(els.ESV)) {
    write({ event: 'answer', from: rinfo.address, object: els.SEOJ, service: els.ESV, properties: els.DETAILs });
  }
  if (els.ESV === EL.INF && els.DETAILs.d5 && !met.has(rinfo.address)) {
    met.add(rinfo.address);
    getToKnow(rinfo.address);
  }
}

function received(rinfo, els, error) {
  if (curious && !error && els) {
    listened(rinfo, els);
  }
  if (error || !els || !devices[els.DEOJ]) {
    return;
  }
  if (els.ESV === EL.GET) {
    write({ event: 'get', from: rinfo.address, object: els.DEOJ, properties: Object.keys(els.DETAILs) });
    EL.replyGetDetail(rinfo, els, devices);
  } else if (els.ESV === EL.SETC || els.ESV === EL.SETI) {
    take(rinfo, els);
    EL.replySetDetail(rinfo, els, devices);
  }
}

setInterval(tick, TICK_MS);
process.on('SIGTERM', () => process.exit(0));
// By itself it would ask for the properties of whoever it hears.
EL.initialize(
  Object.keys(devices), received, 4, { autoGetProperties: Boolean(curious), autoGetDelay: 50 })
  .then(() => {
    const id = EL.Node_details['83'].map((byte) => byte.toString(16).padStart(2, '0'));
    write({ event: 'start', id: id.join('') });
    // The package means to say so by itself, and sends it nowhere.
    EL.sendOPC1(
      EL.EL_Multi, EL.NODE_PROFILE_OBJECT, EL.NODE_PROFILE_OBJECT, EL.INF, 0xd5, EL.Node_details.d5);
  });
