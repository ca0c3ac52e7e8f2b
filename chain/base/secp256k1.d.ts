// The native half of the library, which its types do not name.
declare module 'secp256k1/bindings.js' {
  export { default } from 'secp256k1'
}
