// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts-v5/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts-v5/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Capped} from "@openzeppelin/contracts-v5/token/ERC20/extensions/ERC20Capped.sol";
import {ERC20Permit} from "@openzeppelin/contracts-v5/token/ERC20/extensions/ERC20Permit.sol";

/// What the resource tokens are compared with, call by call: OpenZeppelin's own code, and minters. For tests.
contract ReferenceToken is ERC20Permit, ERC20Burnable, ERC20Capped {
  error NotMinter(address caller);

  mapping(address => bool) public isMinter;

  constructor(string memory name, string memory symbol, uint256 cap, address minter)
    ERC20(name, symbol)
    ERC20Permit(name)
    ERC20Capped(cap)
  {
    isMinter[minter] = true;
  }

  function version() external pure returns (string memory) {
    return "1";
  }

  function mint(address to, uint256 value) external {
    if (!isMinter[msg.sender]) revert NotMinter(msg.sender);
    _mint(to, value);
  }

  function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Capped) {
    super._update(from, to, value);
  }
}
