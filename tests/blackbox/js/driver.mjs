// Drives the STOMP clients of Node.js by JSON lines: asks on stdin, what the clients' callbacks tell on stdout.
//
//   ask   {"connection": 1, "ask": "dial", "client": "stompjs", "url": …, "login": …, "passcode": …, "beats": [0, 0]}
//         {"connection": 1, "ask": "subscribe", "destination": …, "headers": {…}}   and the other methods of Driven
//   tell  {"connection": 1, "tell": "message", "headers": {…}, "body": base64}
//         connected, message, receipt, error: headers, body; closed: code, reason; fault: detail

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Client } from '@stomp/stompjs';
import WebSocket from 'ws';
import webstomp from 'webstomp-client';

const SUBPROTOCOLS = ['v12.stomp', 'v11.stomp', 'v10.stomp'];

function openSocket({ url, caFile }, headers = {}) {
  return new WebSocket(url, SUBPROTOCOLS, { headers, ca: caFile && readFileSync(caFile) });
}

// What both clients have in common.
class Driven {
  messages = new Map(); // by message-id
  transactions = new Map();

  constructor(tell) {
    this.tell = tell;
  }

  frame(what, frame) {
    this.tell(what, { headers: frame.headers, body: Buffer.from(frame.body).toString('base64') });
  }

  subscribe({ destination, headers }) {
    const onMessage = (message) => {
      this.messages.set(message.headers['message-id'], message);
      this.frame('message', message);
    };
    this.client.subscribe(destination, onMessage, headers);
  }

  unsubscribe({ id }) {
    this.client.unsubscribe(id);
  }

  ack({ messageId, headers }) {
    this.messages.get(messageId).ack(headers);
  }

  nack({ messageId, headers }) {
    this.messages.get(messageId).nack(headers);
  }

  begin({ transaction }) {
    this.transactions.set(transaction, this.client.begin(transaction));
  }

  commit({ transaction }) {
    this.transactions.get(transaction).commit();
  }

  abort({ transaction }) {
    this.transactions.get(transaction).abort();
  }
}

// @stomp/stompjs, credentials in the handshake.
class StompJs extends Driven {
  constructor(options, tell) {
    super(tell);
    const basic = Buffer.from(`${options.login}:${options.passcode}`).toString('base64');
    this.client = new Client({
      webSocketFactory: () => openSocket(options, { Authorization: `Basic ${basic}` }),
      heartbeatOutgoing: options.beats[0],
      heartbeatIncoming: options.beats[1],
      reconnectDelay: 0,
      onConnect: (frame) => this.frame('connected', frame),
      onDisconnect: (frame) => this.frame('receipt', frame),
      onUnhandledReceipt: (frame) => this.frame('receipt', frame),
      onStompError: (frame) => this.frame('error', frame),
      onWebSocketClose: ({ code, reason }) => tell('closed', { code, reason }),
    });
    this.client.activate();
  }

  send({ destination, headers, body }) {
    this.client.publish({ destination, headers, body: Buffer.from(body, 'base64').toString() });
  }

  disconnect({ headers }) {
    this.client.disconnectHeaders = headers;
    this.client.deactivate();
  }

  abandon() {
    this.client.deactivate({ force: true });
  }
}

// webstomp-client, credentials in CONNECT.
class Webstomp extends Driven {
  constructor(options, tell) {
    super(tell);
    this.socket = openSocket(options);
    const [outgoing, incoming] = options.beats;
    this.client = webstomp.over(this.socket, { debug: false, heartbeat: { outgoing, incoming } });
    this.client.onreceipt = (frame) => this.frame('receipt', frame);
    this.socket.on('close', (code, reason) => tell('closed', { code, reason: reason.toString() }));
    this.client.connect(
      { login: options.login, passcode: options.passcode, host: 'localhost' },
      (frame) => this.frame('connected', frame),
      (told) => told.command && this.frame('error', told), // it is told of the close as well
    );
  }

  send({ destination, headers, body }) {
    this.client.send(destination, Buffer.from(body, 'base64').toString(), headers);
  }

  disconnect({ headers }) {
    this.client.disconnect(undefined, headers);
  }

  abandon() {
    this.socket.terminate();
  }
}

const CLIENTS = { stompjs: StompJs, webstomp: Webstomp };
const connections = new Map();

for await (const line of createInterface({ input: process.stdin })) {
  const { connection, ask, ...rest } = JSON.parse(line);
  const tell = (what, more) => process.stdout.write(`${JSON.stringify({ connection, tell: what, ...more })}\n`);
  try {
    if (ask === 'dial') connections.set(connection, new CLIENTS[rest.client](rest, tell));
    else connections.get(connection)[ask](rest);
  } catch (fault) {
    tell('fault', { detail: fault.stack });
  }
}
process.exit(0);
