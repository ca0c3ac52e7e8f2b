// Generated from ICheckpointVerifier.sol by `npm run gen`. Do not edit.
import type { Abi } from '../../chain/native/kit/abi.ts'

export const abi = {
  "functions": {
    "verify": {
      "selector": "0x76c32abd",
      "source": "function verify(bytes32 validatorsHash, uint64 height, bytes32 blockHash, bytes certificate) view",
      "mutability": "view",
      "inputs": [
        ["validatorsHash", "bytes32"],
        ["height", "uint64"],
        ["blockHash", "bytes32"],
        ["certificate", "bytes"]
      ],
      "outputs": []
    }
  },
  "events": {},
  "errors": {
    "BadCertificate": {
      "selector": "0x66cadbb4",
      "source": "error BadCertificate()",
      "inputs": []
    },
    "BadSignature": {
      "selector": "0x9a7d38d9",
      "source": "error BadSignature(address member)",
      "inputs": [
        ["member", "address"]
      ]
    },
    "NotAscending": {
      "selector": "0xcccaa618",
      "source": "error NotAscending(address member, address previous)",
      "inputs": [
        ["member", "address"],
        ["previous", "address"]
      ]
    },
    "NotMember": {
      "selector": "0x16d6142c",
      "source": "error NotMember(address member)",
      "inputs": [
        ["member", "address"]
      ]
    },
    "TooLittlePower": {
      "selector": "0x47d2b8b0",
      "source": "error TooLittlePower(uint256 signedPower, uint256 totalPower)",
      "inputs": [
        ["signedPower", "uint256"],
        ["totalPower", "uint256"]
      ]
    },
    "WrongValidators": {
      "selector": "0x993f146c",
      "source": "error WrongValidators(bytes32 given, bytes32 expected)",
      "inputs": [
        ["given", "bytes32"],
        ["expected", "bytes32"]
      ]
    }
  }
} as const satisfies Abi
