// The certificate that a pod's proxy shows to whoever connects, read from outside of the mesh: the handshake ends there, because this
// machine has none of its own.
import tls from 'node:tls'

export interface Shown {
  readonly serial: string
  readonly notAfter: Date
}

export function shownCertificate(address: string, port: number): Promise<Shown> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: address, port, rejectUnauthorized: false, ALPNProtocols: ['istio'], timeout: 5000 })
    socket.on('secureConnect', () => {
      const { serialNumber, valid_to: notAfter } = socket.getPeerCertificate()
      resolve({ serial: serialNumber, notAfter: new Date(notAfter) })
      socket.destroy()
    })
    socket.on('timeout', () => socket.destroy(new Error(`${address}:${port} did not answer a TLS handshake`)))
    socket.on('error', reject)
  })
}
