// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ERC20} from "@openzeppelin/contracts-v57/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts-v57/token/ERC20/extensions/ERC20Permit.sol";

/// @title A token of NovaChain on another chain: its vault mints what comes in and burns what leaves.
contract WrappedToken is ERC20, ERC20Permit {
  address public immutable vault;
  /// @notice The token on NovaChain; zero is its coin.
  bytes32 public immutable remote;
  uint8 private immutable _decimals;

  error NotVault(address caller);

  modifier onlyVault() {
    if (msg.sender != vault) revert NotVault(msg.sender);
    _;
  }

  constructor(address vault_, bytes32 remote_, string memory name_, string memory symbol_, uint8 decimals_)
    ERC20(name_, symbol_)
    ERC20Permit(name_)
  {
    vault = vault_;
    remote = remote_;
    _decimals = decimals_;
  }

  function decimals() public view override returns (uint8) {
    return _decimals;
  }

  function mint(address to, uint256 amount) external onlyVault {
    _mint(to, amount);
  }

  /// @notice Without an allowance: the vault burns what its caller sends.
  function burn(address from, uint256 amount) external onlyVault {
    _burn(from, amount);
  }
}
