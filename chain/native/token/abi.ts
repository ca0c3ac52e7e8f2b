// Generated from IResourceToken.sol by `npm run gen`. Do not edit.
import type { Abi } from '../kit/abi.ts'

export const abi = {
  "functions": {
    "DOMAIN_SEPARATOR": {
      "selector": "0x3644e515",
      "source": "function DOMAIN_SEPARATOR() view returns (bytes32)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "",
          "bytes32"
        ]
      ]
    },
    "allowance": {
      "selector": "0xdd62ed3e",
      "source": "function allowance(address owner, address spender) view returns (uint256)",
      "mutability": "view",
      "inputs": [
        ["owner", "address"],
        ["spender", "address"]
      ],
      "outputs": [
        [
          "",
          "uint256"
        ]
      ]
    },
    "approve": {
      "selector": "0x095ea7b3",
      "source": "function approve(address spender, uint256 value) returns (bool)",
      "mutability": "nonpayable",
      "inputs": [
        ["spender", "address"],
        ["value", "uint256"]
      ],
      "outputs": [
        [
          "",
          "bool"
        ]
      ]
    },
    "balanceOf": {
      "selector": "0x70a08231",
      "source": "function balanceOf(address account) view returns (uint256)",
      "mutability": "view",
      "inputs": [
        ["account", "address"]
      ],
      "outputs": [
        [
          "",
          "uint256"
        ]
      ]
    },
    "burn": {
      "selector": "0x42966c68",
      "source": "function burn(uint256 value)",
      "mutability": "nonpayable",
      "inputs": [
        ["value", "uint256"]
      ],
      "outputs": []
    },
    "burnFrom": {
      "selector": "0x79cc6790",
      "source": "function burnFrom(address account, uint256 value)",
      "mutability": "nonpayable",
      "inputs": [
        ["account", "address"],
        ["value", "uint256"]
      ],
      "outputs": []
    },
    "cap": {
      "selector": "0x355274ea",
      "source": "function cap() view returns (uint256)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "",
          "uint256"
        ]
      ]
    },
    "decimals": {
      "selector": "0x313ce567",
      "source": "function decimals() view returns (uint8)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "",
          "uint8"
        ]
      ]
    },
    "eip712Domain": {
      "selector": "0x84b0196e",
      "source": "function eip712Domain() view returns (bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["fields", "bytes1"],
        ["name", "string"],
        ["version", "string"],
        ["chainId", "uint256"],
        ["verifyingContract", "address"],
        ["salt", "bytes32"],
        [
          "extensions",
          {
            "list": "uint256"
          }
        ]
      ]
    },
    "isMinter": {
      "selector": "0xaa271e1a",
      "source": "function isMinter(address account) view returns (bool)",
      "mutability": "view",
      "inputs": [
        ["account", "address"]
      ],
      "outputs": [
        [
          "",
          "bool"
        ]
      ]
    },
    "mint": {
      "selector": "0x40c10f19",
      "source": "function mint(address to, uint256 value)",
      "mutability": "nonpayable",
      "inputs": [
        ["to", "address"],
        ["value", "uint256"]
      ],
      "outputs": []
    },
    "name": {
      "selector": "0x06fdde03",
      "source": "function name() view returns (string)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "",
          "string"
        ]
      ]
    },
    "nonces": {
      "selector": "0x7ecebe00",
      "source": "function nonces(address owner) view returns (uint256)",
      "mutability": "view",
      "inputs": [
        ["owner", "address"]
      ],
      "outputs": [
        [
          "",
          "uint256"
        ]
      ]
    },
    "permit": {
      "selector": "0xd505accf",
      "source": "function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
      "mutability": "nonpayable",
      "inputs": [
        ["owner", "address"],
        ["spender", "address"],
        ["value", "uint256"],
        ["deadline", "uint256"],
        ["v", "uint8"],
        ["r", "bytes32"],
        ["s", "bytes32"]
      ],
      "outputs": []
    },
    "symbol": {
      "selector": "0x95d89b41",
      "source": "function symbol() view returns (string)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "",
          "string"
        ]
      ]
    },
    "totalSupply": {
      "selector": "0x18160ddd",
      "source": "function totalSupply() view returns (uint256)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "",
          "uint256"
        ]
      ]
    },
    "transfer": {
      "selector": "0xa9059cbb",
      "source": "function transfer(address to, uint256 value) returns (bool)",
      "mutability": "nonpayable",
      "inputs": [
        ["to", "address"],
        ["value", "uint256"]
      ],
      "outputs": [
        [
          "",
          "bool"
        ]
      ]
    },
    "transferFrom": {
      "selector": "0x23b872dd",
      "source": "function transferFrom(address from, address to, uint256 value) returns (bool)",
      "mutability": "nonpayable",
      "inputs": [
        ["from", "address"],
        ["to", "address"],
        ["value", "uint256"]
      ],
      "outputs": [
        [
          "",
          "bool"
        ]
      ]
    },
    "version": {
      "selector": "0x54fd4d50",
      "source": "function version() view returns (string)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "",
          "string"
        ]
      ]
    }
  },
  "events": {
    "Approval": {
      "topic": "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925",
      "source": "event Approval(address indexed owner, address indexed spender, uint256 value)",
      "indexed": [
        ["owner", "address"],
        ["spender", "address"]
      ],
      "plain": [
        ["value", "uint256"]
      ]
    },
    "Transfer": {
      "topic": "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
      "source": "event Transfer(address indexed from, address indexed to, uint256 value)",
      "indexed": [
        ["from", "address"],
        ["to", "address"]
      ],
      "plain": [
        ["value", "uint256"]
      ]
    }
  },
  "errors": {
    "ECDSAInvalidSignature": {
      "selector": "0xf645eedf",
      "source": "error ECDSAInvalidSignature()",
      "inputs": []
    },
    "ECDSAInvalidSignatureS": {
      "selector": "0xd78bce0c",
      "source": "error ECDSAInvalidSignatureS(bytes32 s)",
      "inputs": [
        ["s", "bytes32"]
      ]
    },
    "ERC20ExceededCap": {
      "selector": "0x9e79f854",
      "source": "error ERC20ExceededCap(uint256 increasedSupply, uint256 maximum)",
      "inputs": [
        ["increasedSupply", "uint256"],
        ["maximum", "uint256"]
      ]
    },
    "ERC20InsufficientAllowance": {
      "selector": "0xfb8f41b2",
      "source": "error ERC20InsufficientAllowance(address spender, uint256 allowed, uint256 needed)",
      "inputs": [
        ["spender", "address"],
        ["allowed", "uint256"],
        ["needed", "uint256"]
      ]
    },
    "ERC20InsufficientBalance": {
      "selector": "0xe450d38c",
      "source": "error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)",
      "inputs": [
        ["sender", "address"],
        ["balance", "uint256"],
        ["needed", "uint256"]
      ]
    },
    "ERC20InvalidApprover": {
      "selector": "0xe602df05",
      "source": "error ERC20InvalidApprover(address approver)",
      "inputs": [
        ["approver", "address"]
      ]
    },
    "ERC20InvalidReceiver": {
      "selector": "0xec442f05",
      "source": "error ERC20InvalidReceiver(address receiver)",
      "inputs": [
        ["receiver", "address"]
      ]
    },
    "ERC20InvalidSender": {
      "selector": "0x96c6fd1e",
      "source": "error ERC20InvalidSender(address sender)",
      "inputs": [
        ["sender", "address"]
      ]
    },
    "ERC20InvalidSpender": {
      "selector": "0x94280d62",
      "source": "error ERC20InvalidSpender(address spender)",
      "inputs": [
        ["spender", "address"]
      ]
    },
    "ERC2612ExpiredSignature": {
      "selector": "0x62791302",
      "source": "error ERC2612ExpiredSignature(uint256 deadline)",
      "inputs": [
        ["deadline", "uint256"]
      ]
    },
    "ERC2612InvalidSigner": {
      "selector": "0x4b800e46",
      "source": "error ERC2612InvalidSigner(address signer, address owner)",
      "inputs": [
        ["signer", "address"],
        ["owner", "address"]
      ]
    },
    "NotMinter": {
      "selector": "0x361c31f2",
      "source": "error NotMinter(address caller)",
      "inputs": [
        ["caller", "address"]
      ]
    }
  }
} as const satisfies Abi
