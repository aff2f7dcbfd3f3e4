/** A TCP proxy on the loopback that can stop forwarding while its connections stay open. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import type { Teardown } from './processes.js'

export interface Proxy {
  port: number
  /** Number of connections so far. */
  readonly accepted: number
  /** Stops forwarding in both directions, on old and new connections. */
  stop (): void
  /** Forwards again, beginning with the delayed bytes. */
  resume (): void
  /** Forwards on new connections alone. The old ones stay open and stopped. */
  restart (): void
}

export async function startProxy (t: Teardown, target: { port: number }): Promise<Proxy> {
  const sockets = new Set<Socket>()
  let isOpen = true
  let accepted = 0

  function join (socket: Socket): void {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    if (!isOpen) socket.pause()
  }

  const server = createServer((client) => {
    accepted++
    const upstream = connect(target.port, '127.0.0.1')
    for (const [socket, other] of [[client, upstream], [upstream, client]] as const) {
      socket.on('data', (chunk) => other.write(chunk))
      socket.on('close', () => other.destroy())
      join(socket)
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })

  return {
    port: (server.address() as AddressInfo).port,
    get accepted () { return accepted },
    stop () {
      isOpen = false
      for (const socket of sockets) socket.pause()
    },
    resume () {
      isOpen = true
      for (const socket of sockets) socket.resume()
    },
    restart () { isOpen = true }
  }
}
